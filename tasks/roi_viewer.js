// Shows one ROI's trace with its fit and the regressors. Everything it needs stands in the page; it asks for nothing.
(() => {
  "use strict";
  const root = document.getElementById("viewer");
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const [session, type, order, trace, plane, said, legend, place] =
    ["session", "type", "order", "trace", "plane", "said", "legend", "place"].map(part);
  const state = { rois: [], at: 0, from: 0, to: 1, shown: new Set() };

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
  // Samples are little-endian int16, whatever the machine; the least of them stands for a missing one.
  const samples = ({ values, scale, offset }) => {
    const view = new DataView(bytes(values));
    return Float64Array.from({ length: view.byteLength / 2 }, (_, n) => {
      const value = view.getInt16(2 * n, true);
      return value === -32768 ? NaN : offset + scale * value;
    });
  };
  const times = (text) => {
    const view = new DataView(bytes(text));
    return Float64Array.from({ length: view.byteLength / 4 }, (_, n) => view.getFloat32(4 * n, true));
  };
  const number = (value, digits = 3) => (value === null ? "-" : value.toFixed(digits).replace("-", "\u2212"));
  const now = () => data.sessions[session.selectedIndex];
  const style = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  function option(select, value, text) {
    const one = document.createElement("option");
    one.value = value;
    one.textContent = text;
    select.append(one);
  }

  function openSession() {
    const one = now();
    one.time_s ??= times(one.times);
    one.regressors.forEach((regressor) => (regressor.samples ??= samples(regressor)));
    state.from = one.time_s[0];
    state.to = one.time_s[one.time_s.length - 1];
    state.shown = new Set(one.regressors.map((_, n) => n));
    type.replaceChildren();
    option(type, "", `all that are here (${one.rois.length})`);
    for (const { name } of data.types) {
      const count = one.rois.filter((roi) => roi.type === name).length;
      if (count) option(type, name, `${name} (${count})`);
    }
    const first = data.types.find(({ name }) => one.rois.some((roi) => roi.type === name));
    type.value = first ? first.name : "";
    legend.replaceChildren();
    one.regressors.forEach((regressor, n) => {
      const label = document.createElement("label");
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.addEventListener("change", () => { state.shown[box.checked ? "add" : "delete"](n); draw(); });
      const swatch = document.createElement("i");
      swatch.style.background = regressor.color;
      label.append(box, swatch, regressor.name);
      legend.append(label);
    });
    plane.hidden = !one.rois.some((roi) => roi.x !== null);
    openType();
  }

  function openType() {
    const by = { r2: (a, b) => b.r2 - a.r2, id: (a, b) => a.id - b.id, leaf: (a, b) => a.leaf - b.leaf }[order.value];
    state.rois = now().rois.filter((roi) => !type.value || roi.type === type.value).sort(by);
    state.at = 0;
    draw();
  }

  function step(by) {
    state.at = (state.at + by + state.rois.length) % state.rois.length;
    draw();
  }

  function stepType(by) {
    type.selectedIndex = (type.selectedIndex + by + type.options.length) % type.options.length;
    openType();
  }

  function pen(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.font = "12px system-ui, sans-serif";
    return { context, width, height };
  }

  function extent(...series) {
    let low = Infinity, high = -Infinity;
    for (const values of series) for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (!(low < high)) [low, high] = Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1];
    return [low, high];
  }

  function line(context, one, values, x, y, color, width) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.beginPath();
    let down = false;
    for (let n = 0; n < values.length; n++) {
      const time = one.time_s[n];
      if (time < state.from || time > state.to) continue;
      if (Number.isNaN(values[n])) { down = false; continue; }
      context[down ? "lineTo" : "moveTo"](x(time), y(values[n]));
      down = true;
    }
    context.stroke();
  }

  function ticks(low, high, most) {
    const rough = (high - low) / most, ten = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((one) => one * ten >= rough) * ten;
    const found = [];
    for (let n = Math.ceil(low / step); n * step <= high; n++) found.push(Number((n * step).toPrecision(6)));
    return found;
  }

  function draw() {
    const one = now(), roi = state.rois[state.at];
    roi.samples ??= samples(roi);
    roi.fit ??= roi.samples.map((_, frame) =>
      one.regressors.reduce((sum, regressor, n) => sum + roi.coefficients[n] * regressor.samples[frame], roi.intercept));
    const { context, width, height } = pen(trace);
    const ink = style("--ink"), soft = style("--soft"), mark = style("--fit");
    const left = 58, right = width - 10, split = height - 128, bottom = height - 30;
    const x = (time) => left + ((time - state.from) / (state.to - state.from)) * (right - left);
    const fits = roi.coefficients[0] !== null;
    const [low, high] = extent(roi.samples, fits ? roi.fit : []);
    const y = (value) => 26 + (1 - (value - low) / (high - low)) * (split - 34);
    context.fillStyle = soft;
    context.textAlign = "center";
    for (const time of ticks(state.from, state.to, 10)) context.fillText(String(time), x(time), bottom + 14);
    context.fillText("time (s)", (left + right) / 2, height - 2);
    context.textAlign = "right";
    for (const value of ticks(low, high, 5)) context.fillText(number(value, 2), left - 6, y(value) + 4);
    context.textAlign = "left";
    context.fillText(data.unit, 2, 10);
    one.regressors.forEach((regressor, n) => {
      if (!state.shown.has(n)) return;
      context.globalAlpha = regressor.marks.length > 200 ? 0.12 : 0.5;
      context.strokeStyle = regressor.color;
      context.lineWidth = 1;
      for (const time of regressor.marks) if (time >= state.from && time <= state.to) {
        context.beginPath();
        context.moveTo(x(time), 14);
        context.lineTo(x(time), split);
        context.stroke();
      }
      context.globalAlpha = 1;
    });
    line(context, one, roi.samples, x, y, ink, 1);
    if (fits) line(context, one, roi.fit, x, y, mark, 1.8);
    const visible = one.regressors.filter((_, n) => state.shown.has(n));
    visible.forEach((regressor, row) => {
      const room = (bottom - split - 10) / visible.length, base = split + 10 + room * (row + 1);
      const [least, most] = extent(regressor.samples);
      line(context, one, regressor.samples, x, (value) => base - ((value - least) / (most - least)) * room * 0.85,
        regressor.color, 1.4);
    });
    place.textContent = `ROI ${roi.id}, ${state.at + 1} of ${state.rois.length}`;
    const coefficients = one.regressors.map((regressor, n) => `${regressor.name} ${number(roi.coefficients[n])}`);
    const facts = data.facts.map(([key, name, digits]) => `${name} ${number(roi[key], digits)}`);
    said.textContent =
      `${roi.type}${roi.selected ? "" : ", not selected"} (${data.other}: ${roi.other}). ${facts.join(", ")}. ` +
      `Coefficients: ${coefficients.join(", ")}.${roi.note ? ` ${roi.note}.` : ""}`;
    if (!plane.hidden) drawPlane(one, roi);
  }

  function drawPlane(one, chosen) {
    const { context, width, height } = pen(plane);
    const placed = one.rois.filter((roi) => roi.x !== null);
    const [left, right] = extent(placed.map((roi) => roi.x)), [top, bottom] = extent(placed.map((roi) => roi.y));
    const scale = Math.min((width - 16) / (right - left), (height - 16) / (bottom - top));
    const spot = (roi) => [8 + (roi.x - left) * scale, 8 + (roi.y - top) * scale];
    plane.spots = placed.map((roi) => [...spot(roi), roi]);
    const colors = Object.fromEntries(data.types.map(({ name, color }) => [name, color]));
    for (const roi of [...placed.filter((other) => other !== chosen), chosen]) {
      if (roi.x === null) continue;
      context.beginPath();
      context.arc(...spot(roi), roi === chosen ? 6 : 3, 0, 7);
      context.fillStyle = colors[roi.type];
      context.fill();
      if (roi === chosen) { context.strokeStyle = style("--ink"); context.lineWidth = 2; context.stroke(); }
    }
  }

  const time_at = (event) => {
    const box = trace.getBoundingClientRect(), left = 58, right = box.width - 10;
    const share = Math.min(Math.max((event.clientX - box.left - left) / (right - left), 0), 1);
    return state.from + share * (state.to - state.from);
  };
  let pressed = null;
  trace.addEventListener("pointerdown", (event) => { pressed = time_at(event); });
  trace.addEventListener("pointerup", (event) => {
    const [from, to] = [pressed, time_at(event)].sort((a, b) => a - b);
    const shortest = 3 * (now().time_s[1] - now().time_s[0]);
    if (pressed !== null && to - from > shortest) { state.from = from; state.to = to; draw(); }
    pressed = null;
  });
  function whole() {
    const { time_s } = now();
    state.from = time_s[0];
    state.to = time_s[time_s.length - 1];
    draw();
  }
  trace.addEventListener("dblclick", whole);
  part("whole").addEventListener("click", whole);
  plane.addEventListener("click", (event) => {
    const box = plane.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const far = ([a, b]) => (a - x) ** 2 + (b - y) ** 2;
    const roi = plane.spots.reduce((best, spot) => (far(spot) < far(best) ? spot : best))[2];
    if (type.value && roi.type !== type.value) { type.value = roi.type; openType(); }
    state.at = state.rois.indexOf(roi);
    draw();
  });
  root.addEventListener("keydown", (event) => {
    if (event.target.tagName === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
    const does = { ArrowRight: () => step(1), ArrowLeft: () => step(-1), ArrowDown: () => stepType(1),
      ArrowUp: () => stepType(-1), Escape: whole }[event.key];
    if (does) { event.preventDefault(); does(); }
  });
  part("previous").addEventListener("click", () => step(-1));
  part("next").addEventListener("click", () => step(1));
  type.addEventListener("change", openType);
  order.addEventListener("change", openType);
  session.addEventListener("change", openSession);
  window.addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  data.sessions.forEach(({ name }, n) => option(session, n, name));
  openSession();
})();
