"""The style sheet of every page: light and dark, wide and narrow, on screen and on paper."""

from mlft.reports.palette import declared

SWITCH = "50rem"
"""Width of the window from which figures are the wide ones; they are 7.6 inches, 45.6 rem, and have margins."""

_FONTS = 'system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif'

SHEET = f"""
:root {{ color-scheme: light; {declared(dark=False)} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ color-scheme: dark; {declared(dark=True)} }} }}
* {{ box-sizing: border-box }}
html {{ -webkit-text-size-adjust: 100%; text-size-adjust: 100% }}
body {{ margin: 0 auto; padding: 2.2rem 1.2rem 4rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 {_FONTS} }}
header {{ border-bottom: 2px solid var(--ink); padding-bottom: 1rem }}
h1 {{ font-size: 1.65rem; line-height: 1.28; margin: .2rem 0 .7rem; letter-spacing: -.01em; text-wrap: balance;
  overflow-wrap: anywhere }}
h2 {{ font-size: 1.2rem; margin: 2.8rem 0 .5rem; padding-top: .4rem; break-after: avoid }}
p {{ max-width: 46rem; margin: .5rem 0 }}
.kicker {{ color: var(--soft); font-size: .92rem; margin: 0 }}
.verdict {{ font-size: 1.08rem }}
.soft {{ color: var(--soft); font-size: .95rem }}
.rejected {{ color: var(--orange); font-weight: 600 }}
.cards {{ display: grid; grid-template-columns: repeat(4, 1fr); gap: .7rem; margin: 1rem 0; padding: 0 }}
.card {{ background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem .7rem }}
.card dt {{ color: var(--soft); font-size: .88rem }}
.card dd {{ margin: 0; font-size: .88rem; line-height: 1.4; color: var(--soft) }}
.card dd + dd {{ margin-top: .25rem }}
.card .value {{ font-size: 1.55rem; line-height: 1.3; font-weight: 650; color: var(--ink);
  font-variant-numeric: tabular-nums }}
.card .value small {{ font-size: .88rem; font-weight: 400 }}
nav {{ margin: 1.2rem 0 0; font-size: .95rem }}
nav h2 {{ font-size: .92rem; color: var(--soft); font-weight: 400; margin: 0 0 .2rem; padding: 0 }}
nav ol {{ margin: 0; padding: 0; list-style: none; columns: 15rem 3; column-gap: 1.5rem }}
nav li {{ padding: .1rem 0; break-inside: avoid }}
figure {{ margin: 1.1rem 0; break-inside: avoid }}
figure svg {{ display: block; max-width: 100%; height: auto }}
figure svg * {{ stroke-linejoin: round; stroke-linecap: butt }}
figure svg text {{ font-family: {_FONTS} !important }}
.wide {{ display: none !important }}
@media print, (min-width: {SWITCH}) {{ .wide {{ display: block !important }} .narrow {{ display: none !important }} }}
figcaption {{ color: var(--soft); font-size: .9rem; max-width: 46rem; margin-top: .45rem }}
.scroll {{ overflow-x: auto; background: linear-gradient(to left, var(--paper) 30%, transparent) right / 2.5rem 100%
  no-repeat local, linear-gradient(to left, var(--line), transparent) right / .8rem 100% no-repeat scroll }}
table {{ border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; margin: .3rem 0;
  min-width: min(100%, 30rem) }}
caption {{ text-align: left; color: var(--soft); font-size: .9rem; padding-bottom: .3rem }}
caption span {{ display: block; max-width: min(46rem, calc(100vw - 2.4rem)); position: sticky; left: 0 }}
th, td {{ padding: .32rem .8rem .32rem 0; text-align: right; vertical-align: baseline;
  border-bottom: 1px solid var(--line) }}
th {{ font-weight: 600; vertical-align: bottom; border-bottom: 1.5px solid var(--ink); line-height: 1.3 }}
th:first-child, td:first-child {{ position: sticky; left: 0; background: var(--paper) }}
th small, td small {{ display: block; white-space: nowrap; color: var(--soft); font-weight: 400 }}
th.text, td.text {{ text-align: left }}
td, td.text:first-child {{ white-space: nowrap }} td.text {{ white-space: normal; min-width: 7rem }}
tr.strong td {{ font-weight: 650 }}
tr.total td {{ border-bottom: 0; border-top: 1.5px solid var(--ink) }}
.part {{ display: inline-block; width: 4.5rem; height: .62rem; margin-right: .5rem; vertical-align: baseline }}
.words {{ display: inline-block; min-width: 2.6rem }}
.part rect:first-child {{ fill: var(--line) }} .part rect:last-child {{ fill: var(--blue) }}
pre, code {{ font: .84rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }}
pre {{ background: var(--panel); border: 1px solid var(--line); border-radius: 4px; padding: .7rem .9rem;
  overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere }}
code {{ overflow-wrap: anywhere }}
.terms {{ display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; font-size: .92rem }}
.terms dt {{ color: var(--soft) }} .terms dd {{ margin: 0; overflow-wrap: anywhere }}
a {{ color: var(--blue) }}
footer {{ margin-top: 3rem }}
@media (max-width: {SWITCH}) {{ .cards {{ grid-template-columns: repeat(2, 1fr) }} }}
@media (max-width: 40rem) {{ body {{ padding: 1.2rem .9rem 3rem }} h1 {{ font-size: 1.35rem }}
  .cards {{ gap: .5rem }} .card {{ padding: .45rem .6rem .5rem }} .card .value {{ font-size: 1.3rem }}
  td:first-child, td.text:first-child {{ white-space: normal; min-width: 0; max-width: 9rem }}
  td.text:first-child {{ min-width: 6.5rem }}
  nav ol {{ columns: 9rem 2; column-gap: 1rem }} .terms {{ display: block }} .terms dd {{ margin-bottom: .4rem }} }}
@page {{ margin: 15mm }}
@media print {{ html {{ font-size: 9.5pt }} body {{ max-width: none; padding: 0 }} h2 {{ margin-top: 1.4rem }}
  nav {{ display: none }} .cards {{ grid-template-columns: repeat(4, 1fr) }} .card .value {{ font-size: 1.2rem }}
  .scroll {{ overflow: visible; background: none }} table {{ font-size: 7.5pt }}
  td, td.text:first-child {{ white-space: normal }}
  th, td {{ padding-right: .5rem }} caption span {{ max-width: none }}
  tr, pre, .part, .card {{ break-inside: avoid }} thead {{ display: table-header-group }}
  figure svg {{ max-height: 24cm }} .part, .card {{ print-color-adjust: exact }} }}
"""
