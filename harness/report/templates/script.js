/* Copy buttons, filters, collapsible parts and the timeline's shared cursor. The report is readable without this script.
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

  const series = new WeakMap();
  const read = (figure) => {
    if (!series.has(figure)) series.set(figure, JSON.parse(figure.dataset.cursor));
    return series.get(figure);
  };
  const shownChart = (figure) => [...figure.querySelectorAll("svg.timeline")].find((svg) => svg.getBoundingClientRect().width > 0);
  const point = (figure, index) => {
    const plot = read(figure);
    const buckets = plot.rows[0][2].length;
    const at = Math.min(Math.max(index, 0), buckets - 1);
    figure.dataset.at = at;
    const from = plot.start + at * plot.width;
    const to = Math.min(from + plot.width, plot.end);
    const values = plot.rows.map(([name, unit, column]) => `${name} ${column[at] === null ? "no data" : `${column[at]} ${unit}`.trim()}`);
    figure.querySelector(".readout").textContent = `${from.toFixed(1)} to ${to.toFixed(1)} s: ${values.join(" · ")}`;
    const svg = shownChart(figure);
    if (!svg) return;
    const left = Number(svg.dataset.left);
    const right = Number(svg.dataset.right);
    const x = left + ((from + to) / 2 - plot.start) / (plot.end - plot.start) * (right - left);
    const line = svg.querySelector(".cursor");
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    line.style.visibility = "visible";
  };

  document.addEventListener("pointermove", (event) => {
    const figure = nearest(event, ".harness [data-cursor]");
    const svg = figure && shownChart(figure);
    if (!svg) return;
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * Number(svg.dataset.width);
    const share = (x - svg.dataset.left) / (svg.dataset.right - svg.dataset.left);
    const plot = read(figure);
    if (share >= 0 && share <= 1) point(figure, Math.floor(share * (plot.end - plot.start) / plot.width));
  });
  document.addEventListener("keydown", (event) => {
    const figure = nearest(event, ".harness [data-cursor]");
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!figure || !step) return;
    event.preventDefault();
    point(figure, Number(figure.dataset.at || 0) + step);
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
