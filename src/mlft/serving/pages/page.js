// The input is moved, the server asked, the answer drawn: one request at a time, and the last input always asked for.

import { COLOURS, drawHandles, drawImage, drawLegend, drawLines, reach, said } from "./plots.js";

const HANDLES = 8;
const $ = (id) => document.getElementById(id);
const state = { run: null, draw: null, input: null, answer: null, added: null, limits: {}, moved: false, held: false, asking: false, again: false };
const plots = {};

async function fetched(path, body) {
  const headers = { "content-type": "application/json" }, token = sessionStorage.getItem("token");
  if (token) headers.authorization = `Bearer ${token}`;
  const given = body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) };
  const answer = await fetch(path, given), told = await answer.json();
  if (answer.ok) return told;
  if (answer.status === 401) $("door").hidden = false;
  throw new Error(told.error.message);
}

function trouble(error) {
  $("trouble").hidden = !error;
  $("trouble").textContent = error ? error.message : "";
}

/** Call a function for every number of nested lists of one shape, and return its results in the same shape. */
const mapped = (f, ...nested) => (Array.isArray(nested[0]) ? nested[0].map((_, i) => mapped(f, ...nested.map((one) => one[i]))) : f(...nested));
const flat = (nested) => nested.flat(Infinity);
const channel = (id) => Number($(id).value || 0);
const plane = () => state.run.grid.shape.length === 2;

/** Make the input of the draw, its amplitude about the mean, and what was added by hand. */
function remake() {
  const times = Number($("amplitude").value), mean = state.run.inputs.mean;
  state.input = state.draw.input.map((field, c) => mapped((value, more) => mean[c] + times * (value - mean[c]) + more, field, state.added[c]));
  state.moved = times !== 1 || flat(state.added).some((value) => value !== 0);
  $("times").textContent = times.toFixed(2);
  drawInput();
  ask();
}

async function ask() {
  if (state.asking) { state.again = true; return; }
  state.asking = true;
  try {
    do {
      state.again = false;
      const body = { inputs: [state.input], familiarity: state.run.familiarity };
      if (state.run.levels.length) body.uncertainty = Number($("level").value);
      const began = performance.now();
      state.answer = await fetched("predict", body);
      trouble(null);
      state.took = performance.now() - began;
      drawAnswer();
    } while (state.again);
  } catch (error) {
    trouble(error);
  } finally {
    state.asking = false;
  }
}

/** Widen the limits of a plot, so that axes stand still while the input is moved. */
function widened(name, ...lists) {
  const [low, high] = state.limits[name] ?? [Infinity, -Infinity], [least, most] = reach(...lists);
  if (!(state.held && name === "input")) state.limits[name] = [Math.min(low, least), Math.max(high, most)];
  return state.limits[name];
}

const places = () => {
  const [start, end] = state.run.grid.bounds[0];
  return Array.from({ length: HANDLES }, (_, i) => start + ((i + 1) * (end - start)) / (HANDLES + 1));
};

function drawInput() {
  const field = state.input[channel("input-channel")], { grid } = state.run;
  if (plane()) {
    const given = { values: field, shape: grid.shape, bounds: grid.bounds, colours: COLOURS.cividis };
    plots.back = drawImage(plots.input, { ...given, limits: widened("input", flat(field)) });
    return;
  }
  const limits = widened("input", field), x = grid.points[0];
  const labels = { x: "x", y: "input" };
  plots.maps = drawLines(plots.input, { x, ends: state.run.grid.bounds[0], lines: [{ kind: "input", values: field }], bands: [], limits, labels });
  const at = places().map((place) => nearest(x, place));
  drawHandles(plots.input, plots.maps, at.map((i) => ({ x: x[i], y: field[i], name: `input at x = ${said(x[i])}` })), held);
  drawLegend(plots.inputLegend, [["input", "drag the points, or use the arrow keys on them", "line"]]);
}

const nearest = (x, place) => x.reduce((best, value, i) => (Math.abs(value - place) < Math.abs(x[best] - place) ? i : best), 0);

/** Let a handle be moved by pointer and keys. */
function held(handle, k) {
  handle.addEventListener("pointerdown", (event) => { handle.setPointerCapture(event.pointerId); handle.focus(); });
  handle.addEventListener("pointermove", (event) => {
    if (!event.buttons) return;
    state.held = true; // the axis of the input stands still meanwhile
    const [low, high] = state.limits.input, value = plots.maps.fromY(event.clientY - plots.input.getBoundingClientRect().top);
    lift(k, Math.min(Math.max(value, low), high));
  });
  handle.addEventListener("lostpointercapture", () => { state.held = false; drawInput(); });
  handle.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const [low, high] = state.limits.input;
    lift(k, plots.maps.fromY(Number(handle.getAttribute("cy"))) + (step * (high - low)) / 50);
  });
}

/** Add a smooth bump that brings the input at a handle to a value. */
function lift(k, value) {
  const c = channel("input-channel"), x = state.run.grid.points[0], length = state.run.grid.lengths[0];
  const place = places()[k], i = nearest(x, place), half = length / (HANDLES + 1), more = value - state.input[c][i];
  state.added[c] = state.added[c].map((old, j) => {
    const far = Math.abs(x[j] - x[i]) / half;
    return far < 1 ? old + more * Math.cos((Math.PI * far) / 2) ** 2 : old;
  });
  remake();
}

/** Add a bump where the pointer is, in the plane. */
function brush(event) {
  const box = plots.input.getBoundingClientRect(), [px, py] = plots.back(event.clientX - box.left, event.clientY - box.top);
  const { points, lengths, bounds: [[x0, x1], [y0, y1]] } = state.run.grid, c = channel("input-channel"), radius = Number($("radius").value) * lengths[0];
  if (px < x0 || py < y0 || px > x1 || py > y1) return;
  const sign = Number(document.querySelector("[name=sign]:checked").value), size = 0.4 * sign * state.run.inputs.deviation[c];
  state.added[c] = state.added[c].map((row, i) => row.map((old, j) => {
    const far = ((points[0][i] - px) ** 2 + (points[1][j] - py) ** 2) / radius ** 2;
    return far < 12 ? old + size * Math.exp(-far) : old;
  }));
  remake();
}

function drawAnswer() {
  const { grid } = state.run, c = channel("solution-channel"), { answer } = state;
  const value = answer.value[0][c], half = answer.half_width?.[c], band = answer.band?.[c];
  const known = state.moved ? null : state.draw.solution[c];
  if (plane()) drawPlane(value, half, band, known);
  else drawSections(plots.solution, plots.legend, grid.points[0], [value, half, band, known], ["x", "solution"]);
  drawFamiliar(answer.familiarity?.[0]);
  const sure = half ? `For inputs of the law that was trained on: with probability ${said(100 * answer.level)}% the relative L2 error is at most ${said(Number(answer.error.toPrecision(3)))}. ` : "This run keeps no bands. ";
  $("told").textContent = `${sure}Answered in ${Math.round(state.took)} ms. Values are in ${answer.unit} units.`;
  document.body.dataset.answers = Number(document.body.dataset.answers ?? 0) + 1;
}

function drawSections(svg, legend, x, [value, half, band, known], [xLabel, yLabel]) {
  const lines = [], bands = [], entries = [["prediction", "prediction", "line"]];
  const between = (width, kind) => ({ kind, low: value.map((one, i) => one - (width[i] ?? 0)), high: value.map((one, i) => one + (width[i] ?? 0)) });
  if (half) {
    bands.push(between(band, "whole"), between(half, "points"));
    const share = said(100 * state.answer.level);
    entries.push(["points", `holds ${share}% of the points`, "area"], ["whole", `holds the whole solution, ${share}%`, "area"]);
  }
  if (known) { lines.push({ kind: "solution", values: known }); entries.push(["solution", "the solver’s solution", "line"]); }
  lines.push({ kind: "prediction", values: value });
  const limits = widened("solution", value, ...bands.flatMap((one) => [one.low, one.high]), ...(known ? [known] : []));
  drawLines(svg, { x, ends: state.run.grid.bounds[0], lines, bands, limits, labels: { x: xLabel, y: yLabel } });
  drawLegend(legend, entries);
}

function drawPlane(value, half, band, known) {
  const { grid } = state.run, j = Number($("cut").value), row = (field) => field?.map((column) => column[j]);
  const cut = grid.points[1][j], given = { shape: grid.shape, bounds: grid.bounds };
  $("height").textContent = said(Number(cut.toPrecision(3)));
  drawImage(plots.image, { ...given, values: value, colours: COLOURS.viridis, limits: widened("image", flat(value)), cut });
  if (half) drawImage(plots.half, { ...given, values: half, colours: COLOURS.magma, limits: [0, Math.max(...flat(half))], cut });
  drawSections(plots.solution, plots.legend, grid.points[0], [value, half, band, known].map(row), [`x, at y = ${said(Number(cut.toPrecision(3)))}`, "solution"]);
}

function drawFamiliar(told) {
  $("familiar").hidden = !told;
  if (!told) return;
  const rings = told.reason !== "", score = `score ${told.score.toFixed(3)}, the alarm rings above ${told.threshold.toFixed(3)}`;
  $("familiar").classList.toggle("rings", rings);
  $("familiar").textContent = rings
    ? `⚠ Unfamiliar input: ${told.reason} (${score}). The surrogate may err by more than the bands say.`
    : `✓ Familiar input (${score}).`;
}

function figure(name, title, kind, wide) {
  const made = document.createElement("figure"), legend = document.createElement("div");
  const drawn = kind === "svg" ? document.createElementNS("http://www.w3.org/2000/svg", "svg") : document.createElement("canvas");
  made.innerHTML = "<figcaption></figcaption>";
  made.firstChild.textContent = title;
  legend.className = "legend";
  drawn.id = name;
  drawn.setAttribute("role", "img");
  drawn.setAttribute("aria-label", title);
  made.classList.toggle("wide", wide);
  made.append(drawn, legend);
  $("panels").append(made);
  return [drawn, legend];
}

function layOut() {
  $("panels").classList.toggle("line", !plane());
  if (!plane()) {
    [plots.input, plots.inputLegend] = figure("input", "Input", "svg", false);
    [plots.solution, plots.legend] = figure("solution", "Solution", "svg", false);
    plots.input.setAttribute("role", "group");
    return;
  }
  [plots.input] = figure("input", "Input: draw into it", "canvas", false);
  [plots.image] = figure("image", "Solution, as predicted", "canvas", false);
  if (state.run.levels.length) [plots.half] = figure("half", "Half-width of the band of points", "canvas", false);
  [plots.solution, plots.legend] = figure("solution", "Solution along the cut", "svg", true);
  plots.input.classList.add("draws");
  plots.input.addEventListener("pointerdown", (event) => { plots.input.setPointerCapture(event.pointerId); brush(event); });
  plots.input.addEventListener("pointermove", (event) => { if (event.buttons) brush(event); });
  $("cut").max = state.run.grid.shape[1] - 1;
  $("cut").value = Math.floor(state.run.grid.shape[1] / 2);
}

function options(id, entries, chosen) {
  $(id).replaceChildren(...entries.map(([value, words]) => new Option(words, value, false, value === chosen)));
}

async function choose() {
  state.draw = await fetched(`draws/${$("draw").value}`);
  state.limits = {};
  back();
}

function back() {
  $("amplitude").value = 1;
  state.added = state.draw.input.map((field) => mapped(() => 0, field));
  remake();
}

function redraw() {
  drawInput();
  if (state.answer) drawAnswer();
}

async function begin() {
  const run = await fetched("run");
  state.run = run;
  $("door").hidden = true;
  document.title = `${run.problem}: a surrogate, live`;
  $("kicker").textContent = `mlft ${run.version}, ${run.grid.cells.join(" × ")} cells`;
  $("title").textContent = `${run.problem}: move the input`;
  $("equation").textContent = run.equation;
  $("error").textContent = `Mean relative L2 error ${run.error}.`;
  options("draw", run.draws.map((one, i) => [String(i), `${one.place} of the errors: ${one.error === null ? "not finite" : said(Number(one.error.toPrecision(3)))}`]), "1");
  options("level", run.levels.map((level) => [String(level), `${said(100 * level)}%`]), String(run.levels.findLast((level) => level <= 0.9) ?? run.levels[0]));
  for (const [id, count] of [["input", run.channels.inputs], ["solution", run.channels.solutions]]) {
    options(`${id}-channel`, Array.from({ length: count }, (_, i) => [String(i), String(i + 1)]), "0");
    $(`${id}-label`).hidden = count < 2;
  }
  $("level-label").hidden = !run.levels.length;
  $("brush").hidden = $("cut-label").hidden = !plane();
  $("controls").hidden = $("panels").hidden = false;
  layOut();
  await choose();
}

const watched = (f) => () => Promise.resolve(f()).catch(trouble);
$("controls").addEventListener("submit", (event) => event.preventDefault());
$("draw").addEventListener("change", watched(choose));
$("amplitude").addEventListener("input", remake);
$("level").addEventListener("change", ask);
$("cut").addEventListener("input", redraw);
$("input-channel").addEventListener("change", () => { delete state.limits.input; redraw(); });
$("solution-channel").addEventListener("change", () => { delete state.limits.solution; delete state.limits.image; redraw(); });
$("reset").addEventListener("click", () => { state.limits = {}; back(); });
$("door").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", $("token").value);
  trouble(null);
  begin().catch(trouble);
});
window.addEventListener("resize", () => state.input && redraw());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state.input && redraw());
begin().catch(trouble);
