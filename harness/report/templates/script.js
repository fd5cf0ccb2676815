/* Copy buttons, filters, collapsible parts, and the cursor and the zoom that all charts over time share. The report is readable without this script.
   All listeners are on the document, so that they also work on what pytest-html adds to the page later. */
(() => {
  "use strict";
  const nearest = (event, selector) => (event.target instanceof Element ? event.target.closest(selector) : null);

  const copied = (button, done) => {
    const label = button.textContent;
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { button.textContent = label; }, 1500);
  };
  const selectCode = (button) => {
    const range = document.createRange();
    range.selectNodeContents(button.parentElement.querySelector("code"));
    const selection = getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  const copy = (button) => {
    const text = button.dataset.copy;
    if (navigator.clipboard && window.isSecureContext) {
      navigator.clipboard.writeText(text).then(() => copied(button, true), () => { selectCode(button); copied(button, false); });
    } else {
      selectCode(button);
      copied(button, false);
    }
  };

  document.addEventListener("click", (event) => {
    const copying = nearest(event, ".harness [data-copy]");
    const more = nearest(event, ".harness [data-more]");
    const filter = nearest(event, ".harness [data-filter]");
    const show = nearest(event, "[data-harness-show]");
    if (copying) copy(copying);
    if (more) {
      const why = more.closest("tbody").querySelector(".why");
      why.hidden = !why.hidden;
      more.setAttribute("aria-expanded", String(!why.hidden));
    }
    if (filter) {
      const on = filter.getAttribute("aria-pressed") !== "true";
      filter.setAttribute("aria-pressed", String(on));
      for (const body of filter.closest("details").querySelectorAll("tbody.finding")) {
        if (body.dataset.verdict === filter.dataset.filter) body.hidden = !on;
      }
    }
    if (show && show.tagName === "BUTTON") {
      const verdict = document.body.dataset.harnessOnly === show.dataset.harnessShow ? "" : show.dataset.harnessShow;
      document.body.dataset.harnessOnly = verdict;
      for (const chip of document.querySelectorAll("button[data-harness-show]")) {
        chip.setAttribute("aria-pressed", String(chip.dataset.harnessShow === verdict));
      }
    }
  });

  /* Charts over time: one cursor for all charts of a report, and one window of time that dragging or keys change. */
  const kept = new WeakMap();
  const json = (element, name) => {
    if (!kept.has(element)) kept.set(element, JSON.parse(element.dataset[name]));
    return kept.get(element);
  };
  const windows = new WeakMap();
  const marks = new WeakMap();
  const rootOf = (element) => element.closest(".harness");
  const chartsOf = (root) => [...root.querySelectorAll("svg.timed")];
  const edges = (svg) => [Number(svg.dataset.left), Number(svg.dataset.right)];
  const whole = (svg) => [Number(svg.dataset.from), Number(svg.dataset.to)];
  const shown = (svg) => windows.get(rootOf(svg)) || whole(svg);
  const place = (svg, time) => {
    const [left, right] = edges(svg);
    const [from, to] = shown(svg);
    return left + (time - from) / (to - from) * (right - left);
  };
  const timeAt = (svg, event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * Number(svg.dataset.width);
    const [left, right] = edges(svg);
    const [from, to] = shown(svg);
    return { inside: x >= left && x <= right, time: from + (Math.min(Math.max(x, left), right) - left) / (right - left) * (to - from) };
  };
  const make = (name, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const roundStep = (span, ticks) => {
    const power = 10 ** Math.floor(Math.log10(span / ticks));
    return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((step) => step >= span / ticks * 0.999);
  };
  const layTicks = (svg, zoomed) => {
    const group = svg.querySelector(".time-ticks");
    if (!marks.has(svg)) marks.set(svg, [...group.childNodes]);
    if (!zoomed) return group.replaceChildren(...marks.get(svg));
    const [from, to] = shown(svg);
    const step = roundStep(to - from, Number(svg.dataset.width) > 600 ? 10 : 4);
    const y = Number(group.dataset.y);
    const made = [];
    for (let tick = Math.ceil(from / step - 1e-9) * step; tick <= to + 1e-9; tick += step) {
      const x = place(svg, tick);
      made.push(make("line", { x1: x, x2: x, y1: y, y2: y + 4, class: "axis" }));
      const anchor = x > Number(svg.dataset.width) - 22 ? "end" : "middle";
      made.push(make("text", { x: Math.min(x, svg.dataset.width - 2), y: y + 17, class: "tick", "text-anchor": anchor }, `${Number(tick.toPrecision(6))} s`));
    }
    return group.replaceChildren(...made);
  };
  const layOut = (svg) => {
    const plot = svg.querySelector("svg.plot");
    const [left, right] = edges(svg);
    const [first, last] = whole(svg);
    const [from, to] = shown(svg);
    const scale = (right - left) / (last - first);
    plot.setAttribute("viewBox", `${left + (from - first) * scale} 0 ${(to - from) * scale} ${plot.getAttribute("height")}`);
    layTicks(svg, windows.has(rootOf(svg)));
    let previous = -100;
    for (const text of svg.querySelectorAll("text[data-at]")) {
      const x = place(svg, Number(text.dataset.at));
      const room = x >= left - 1 && x <= right + 1 && x - previous > 13;
      text.style.display = room ? "" : "none";
      if (room) { text.setAttribute("x", x); previous = x; }
    }
    for (const text of svg.querySelectorAll("text[data-full]")) {
      const start = Math.max(place(svg, Number(text.dataset.from)), left);
      const room = Math.floor((Math.min(place(svg, Number(text.dataset.to)), right) - start - 8) / 6.6);
      const full = text.dataset.full;
      text.setAttribute("x", start + 5);
      text.textContent = full.length <= room ? full : room > 3 ? `${full.slice(0, room - 1)}…` : "";
    }
  };
  const zoom = (root, from, to) => {
    const charts = chartsOf(root);
    if (!charts.length) return;
    const first = Math.min(...charts.map((svg) => whole(svg)[0]));
    const last = Math.max(...charts.map((svg) => whole(svg)[1]));
    const length = Math.min(Math.max(to - from, (last - first) / 200), last - first);
    const start = Math.min(Math.max(from, first), last - length);
    if (length >= (last - first) * 0.999) windows.delete(root);
    else windows.set(root, [start, start + length]);
    for (const svg of charts) layOut(svg);
    for (const button of root.querySelectorAll("[data-unzoom]")) button.hidden = !windows.has(root);
    const at = root.dataset.cursorAt;
    if (at !== undefined) point(root, Number(at));
  };
  const reading = (figure, time) => {
    const { unit, rows } = json(figure, "readings");
    const values = rows.map(([name, times, column]) => {
      let nearest = -1;
      times.forEach((at, index) => { if (nearest < 0 || Math.abs(at - time) < Math.abs(times[nearest] - time)) nearest = index; });
      return `${name} ${nearest < 0 || column[nearest] === null ? "no data" : `${column[nearest]} ${unit}`.trim()}`;
    });
    figure.querySelector(".reading").textContent = `at ${time.toFixed(1)} s: ${values.join(" · ")}`;
  };
  const point = (root, time) => {
    root.dataset.cursorAt = time;
    for (const figure of root.querySelectorAll("[data-cursor]")) {
      const plot = json(figure, "cursor");
      const buckets = plot.rows[0][2].length;
      const at = Math.min(Math.max(Math.floor((time - plot.start) / plot.width + 1e-6), 0), buckets - 1);
      const from = plot.start + at * plot.width;
      const to = Math.min(from + plot.width, plot.end);
      const values = plot.rows.map(([name, unit, column]) => `${name} ${column[at] === null ? "no data" : `${column[at]} ${unit}`.trim()}`);
      figure.querySelector(".readout").textContent = `${from.toFixed(1)} to ${to.toFixed(1)} s: ${values.join(" · ")}`;
    }
    for (const figure of root.querySelectorAll("[data-readings]")) reading(figure, time);
    for (const svg of chartsOf(root)) {
      const line = svg.querySelector("line.cursor");
      const [from, to] = shown(svg);
      const x = place(svg, time);
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
      line.style.visibility = time >= from && time <= to ? "visible" : "hidden";
    }
  };

  let drag = null;
  document.addEventListener("pointerdown", (event) => {
    const svg = nearest(event, ".harness svg.timed");
    if (!svg || event.button !== 0 || event.pointerType === "touch") return;
    const { inside, time } = timeAt(svg, event);
    if (inside) drag = { svg, from: time, x: event.clientX };
  });
  document.addEventListener("pointermove", (event) => {
    const svg = drag ? drag.svg : nearest(event, ".harness svg.timed");
    if (!svg) return;
    const { inside, time } = timeAt(svg, event);
    if (inside || drag) point(rootOf(svg), time);
    if (!drag || Math.abs(event.clientX - drag.x) < 5) return;
    event.preventDefault();
    if (!drag.box) {
      drag.box = make("rect", { class: "selection", y: 0, height: svg.querySelector("svg.plot").getAttribute("height") });
      svg.append(drag.box);
      getSelection().removeAllRanges();
    }
    const ends = [place(svg, drag.from), place(svg, time)];
    drag.box.setAttribute("x", Math.min(...ends));
    drag.box.setAttribute("width", Math.abs(ends[1] - ends[0]));
  });
  document.addEventListener("pointerup", (event) => {
    if (drag && drag.box) {
      const { time } = timeAt(drag.svg, event);
      drag.box.remove();
      zoom(rootOf(drag.svg), Math.min(drag.from, time), Math.max(drag.from, time));
    }
    drag = null;
  });
  document.addEventListener("selectstart", (event) => { if (drag) event.preventDefault(); });
  document.addEventListener("dblclick", (event) => {
    const svg = nearest(event, ".harness svg.timed");
    if (svg) zoom(rootOf(svg), -Infinity, Infinity);
  });
  document.addEventListener("click", (event) => {
    const button = nearest(event, ".harness [data-unzoom]");
    if (button) zoom(rootOf(button), -Infinity, Infinity);
  });
  document.addEventListener("keydown", (event) => {
    const figure = nearest(event, ".harness [data-cursor], .harness [data-readings]");
    if (!figure || event.ctrlKey || event.metaKey || event.altKey) return;
    const root = rootOf(figure);
    const charts = chartsOf(root);
    if (!charts.length) return;
    const timeline = root.querySelector("[data-cursor]");
    const plot = timeline ? json(timeline, "cursor") : { start: whole(charts[0])[0], end: whole(charts[0])[1], width: (whole(charts[0])[1] - whole(charts[0])[0]) / 60 };
    const [from, to] = shown(charts[0]);
    const length = to - from;
    const placed = root.dataset.cursorAt !== undefined;
    const middle = placed ? Number(root.dataset.cursorAt) : plot.start + plot.width / 2;
    const centre = placed ? middle : (from + to) / 2;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const actions = {
      "+": () => zoom(root, centre - length / 4, centre + length / 4),
      "-": () => zoom(root, centre - length, centre + length),
      0: () => zoom(root, -Infinity, Infinity),
      Escape: () => zoom(root, -Infinity, Infinity),
      Home: () => point(root, from + plot.width / 2),
      End: () => point(root, to - plot.width / 2),
    };
    actions["="] = actions["+"];
    if (step && event.shiftKey) zoom(root, from + step * length / 4, to + step * length / 4);
    else if (step) point(root, Math.min(Math.max(middle + step * plot.width, plot.start), plot.end - plot.width / 2));
    else if (actions[event.key]) actions[event.key]();
    else return;
    event.preventDefault();
  });

  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll(".harness details")) fold.open = true;
  });
  const opened = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    const fold = target && target.closest(".harness details");
    if (fold) fold.open = true;
  };
  addEventListener("hashchange", opened);
  opened();
})();
