// Lines with axes as SVG, fields of a plane as images on a canvas. Colours come from the style sheet.

const SVG = "http://www.w3.org/2000/svg";
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#fee838"];
const MAGMA = ["#000004", "#1c1044", "#4f127b", "#812581", "#b5367a", "#e55964", "#fb8761", "#fec287", "#fcfdbf"];
export const COLOURS = { viridis: VIRIDIS, cividis: CIVIDIS, magma: MAGMA };

/** Return about `count` round numbers between two. */
export function ticks(low, high, count) {
  if (!(high > low)) return [low];
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(k * step);
  return found;
}

/** Return a number as an axis says it. */
export function said(value) {
  const size = Math.abs(value);
  const told = size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1) : String(Number(value.toPrecision(4)));
  return told.replaceAll("-", "−");
}

/** Return least and largest of some lists of numbers, never equal. */
export function reach(...lists) {
  let low = Infinity, high = -Infinity;
  for (const list of lists) for (const value of list) if (value !== null) { low = Math.min(low, value); high = Math.max(high, value); }
  if (!(low <= high)) return [0, 1];
  const pad = high > low ? 0.06 * (high - low) : Math.max(1e-6, 0.1 * Math.abs(high));
  return [low - pad, high + pad];
}

function element(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

/**
 * Draw lines over x, between two ends, into an svg, and return the maps from values to places and back.
 * lines: {kind, values}; bands: {kind, low, high}; labels: {x, y}.
 */
export function drawLines(svg, { x, ends, lines, bands, limits, labels, height = 300 }) {
  const width = Math.max(240, svg.clientWidth), box = { left: 58, right: 10, top: 8, bottom: 40 };
  const inner = [width - box.left - box.right, height - box.top - box.bottom];
  const [start, end] = ends, [low, high] = limits;
  const toX = (value) => box.left + (inner[0] * (value - start)) / (end - start);
  const toY = (value) => box.top + (inner[1] * (high - value)) / (high - low);
  const fromY = (place) => high - ((place - box.top) * (high - low)) / inner[1];
  const plot = svg.querySelector(".plot") ?? element(svg, "g", { class: "plot" });
  plot.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.height = `${height}px`;
  for (const value of ticks(low, high, 5)) {
    element(plot, "line", { class: "gridline", x1: box.left, x2: width - box.right, y1: toY(value), y2: toY(value) });
    element(plot, "text", { x: box.left - 6, y: toY(value) + 4, "text-anchor": "end" }, said(value));
  }
  for (const value of ticks(start, end, width < 420 ? 5 : 8))
    element(plot, "text", { x: toX(value), y: height - box.bottom + 16, "text-anchor": "middle" }, said(value));
  element(plot, "text", { x: box.left + inner[0] / 2, y: height - 6, "text-anchor": "middle" }, labels.x);
  const turned = `rotate(-90 12 ${box.top + inner[1] / 2})`;
  element(plot, "text", { x: 12, y: box.top + inner[1] / 2, "text-anchor": "middle", transform: turned }, labels.y);
  const place = (value, i) => `${toX(x[i]).toFixed(1)},${toY(value).toFixed(1)}`;
  for (const band of bands) {
    const there = band.high.map(place), back = band.low.map(place).reverse();
    element(plot, "path", { class: band.kind, d: `M${there.join("L")}L${back.join("L")}Z` });
  }
  element(plot, "rect", { class: "frame", x: box.left, y: box.top, width: inner[0], height: inner[1] });
  for (const line of lines) element(plot, "path", { class: line.kind, d: `M${line.values.map(place).join("L")}` });
  return { toX, toY, fromY };
}

/** Move the handles of a line; they are made, and given to `made`, the first time. */
export function drawHandles(svg, maps, points, made) {
  const known = svg.querySelectorAll("circle");
  points.forEach(({ x, y, name }, i) => {
    const handle = known[i] ?? element(svg, "circle", { r: 7, tabindex: 0, role: "slider", "aria-orientation": "vertical" });
    const given = { cx: maps.toX(x), cy: maps.toY(y), "aria-label": name, "aria-valuenow": said(y) };
    for (const [key, value] of Object.entries(given)) handle.setAttribute(key, value);
    if (!known[i]) made(handle, i);
  });
}

/** Fill a legend: entries are [kind, words, "line" or "area"]. */
export function drawLegend(parent, entries) {
  parent.replaceChildren(...entries.map(([kind, words, shape]) => {
    const part = document.createElement("span"), svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 26 12");
    element(svg, "path", { class: kind, d: shape === "area" ? "M0,1H26V11H0Z" : "M0,6H26" });
    part.append(svg, words);
    return part;
  }));
}

function colour(colours, share) {
  const at = Math.min(Math.max(share, 0), 1) * (colours.length - 1), i = Math.min(Math.floor(at), colours.length - 2);
  const [one, two] = [colours[i], colours[i + 1]].map((hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)));
  return one.map((part, k) => Math.round(part + (at - i) * (two[k] - part)));
}

/**
 * Draw a field of a plane, first axis to the right, second upwards, with its axes and a bar of colours.
 * Returns the map from a place on the canvas, in CSS pixels, to coordinates.
 */
export function drawImage(canvas, { values, shape, bounds, colours, limits, cut }) {
  const width = Math.max(200, canvas.clientWidth), box = { left: 44, right: 10, top: 6, bottom: 78 };
  const inner = [width - box.left - box.right, 0], [[x0, x1], [y0, y1]] = bounds, lengths = [x1 - x0, y1 - y0];
  inner[1] = Math.min(inner[0] * Math.min(Math.max(lengths[1] / lengths[0], 0.4), 1.6), 460);
  const height = inner[1] + box.top + box.bottom, ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  pen.scale(ratio, ratio);
  pen.imageSmoothingEnabled = false;
  const [low, high] = limits, image = new ImageData(shape[0], shape[1]);
  for (let i = 0; i < shape[0]; i++)
    for (let j = 0; j < shape[1]; j++) {
      const [r, g, b] = colour(colours, (values[i][j] - low) / (high - low));
      image.data.set([r, g, b, 255], 4 * ((shape[1] - 1 - j) * shape[0] + i));
    }
  pen.drawImage(painted(image), box.left, box.top, ...inner);
  pen.fillStyle = pen.strokeStyle = style.getPropertyValue("--soft").trim();
  pen.font = '12px system-ui, "Segoe UI", Arial, sans-serif';
  pen.strokeRect(box.left, box.top, ...inner);
  pen.textAlign = "center";
  for (const value of ticks(x0, x1, 4)) pen.fillText(said(value), box.left + (inner[0] * (value - x0)) / lengths[0], box.top + inner[1] + 15);
  pen.fillText("x", box.left + inner[0] / 2, box.top + inner[1] + 29);
  pen.textAlign = "right";
  for (const value of ticks(y0, y1, 4)) pen.fillText(said(value), box.left - 5, box.top + inner[1] * (1 - (value - y0) / lengths[1]) + 4);
  pen.textAlign = "left";
  pen.fillText("y", 2, box.top + inner[1] / 2 + 4);
  if (cut !== undefined) {
    const y = box.top + inner[1] * (1 - (cut - y0) / lengths[1]);
    pen.strokeStyle = "#fff";
    pen.setLineDash([5, 4]);
    pen.beginPath();
    pen.moveTo(box.left, y);
    pen.lineTo(box.left + inner[0], y);
    pen.stroke();
  }
  drawBar(pen, [box.left, box.top + inner[1] + 38, inner[0]], colours, limits);
  return (x, y) => [x0 + (lengths[0] * (x - box.left)) / inner[0], y0 + lengths[1] * (1 - (y - box.top) / inner[1])];
}

function drawBar(pen, [left, top, width], colours, [low, high]) {
  const bar = new ImageData(256, 1);
  for (let i = 0; i < 256; i++) bar.data.set([...colour(colours, i / 255), 255], 4 * i);
  pen.drawImage(painted(bar), left, top, width, 10);
  pen.textAlign = "center";
  for (const value of ticks(low, high, 5)) pen.fillText(said(value), left + (width * (value - low)) / (high - low), top + 24);
}

function painted(image) {
  const made = new OffscreenCanvas(image.width, image.height);
  made.getContext("2d").putImageData(image, 0, 0);
  return made;
}
