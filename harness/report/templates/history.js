/* The heatmap: move to older runs, read and open a cell, search scenarios, fold objectives. Readable without. */
(() => {
  "use strict";
  const box = document.querySelector("[data-heat]");
  if (!box) return;
  const runs = JSON.parse(box.dataset.runs);
  const { shapes, width, shown } = JSON.parse(box.dataset.shapes);
  const rows = [...document.querySelectorAll("table.heat tr")];
  const names = { p: "pass", f: "fail", m: "marginal", i: "inconclusive", n: "no verdict", w: "only watched", x: "ignored", a: "not run" };
  const readout = document.getElementById("heat-readout");
  const output = box.querySelector("output");
  const decoded = new Map();
  const letters = (row) => {
    if (!decoded.has(row)) decoded.set(row, [...row.dataset.cells.matchAll(/([a-z])(\d+)/g)].map(([, letter, count]) => letter.repeat(Number(count))).join(""));
    return decoded.get(row);
  };
  let start = Math.max(runs.length - shown, 0);
  const draw = (row) => {
    const part = letters(row).slice(start, start + shown);
    for (const path of row.querySelectorAll("path.cell")) {
      const letter = path.dataset.letter;
      let d = "";
      for (let place = 0; place < part.length; place += 1) if (part[place] === letter) d += `M${place * width} 0${shapes[letter]}`;
      path.setAttribute("d", d);
    }
  };
  const move = (to) => {
    start = Math.min(Math.max(to, 0), Math.max(runs.length - shown, 0));
    for (const row of rows) draw(row);
    const last = Math.min(start + shown, runs.length);
    output.textContent = runs.length ? `runs ${start + 1} to ${last} of ${runs.length}, ${runs[start][1]} to ${runs[last - 1][1]}` : "";
    box.querySelector("[data-move='-1']").disabled = start === 0;
    box.querySelector("[data-move='1']").disabled = start >= runs.length - shown;
  };
  const filter = () => {
    const words = box.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
    const open = box.querySelector("[data-unfold]").getAttribute("aria-pressed") === "true";
    let fits = false;
    for (const row of rows) {
      const isScenario = row.classList.contains("scenario");
      if (isScenario) fits = words.every((word) => row.textContent.toLowerCase().includes(word));
      row.hidden = !fits || !(isScenario || open);
    }
  };
  const at = (event) => {
    const svg = event.target instanceof Element ? event.target.closest("table.heat svg.cells") : null;
    if (!svg) return null;
    const position = start + Math.floor((event.clientX - svg.getBoundingClientRect().left) / width);
    const row = svg.closest("tr");
    const letter = letters(row)[position];
    return runs[position] && letter ? { run: runs[position], row, letter } : null;
  };
  document.addEventListener("pointermove", (event) => {
    const found = at(event);
    if (!found) return;
    const [name, time, , reason] = found.run;
    readout.textContent = `${time} · ${name} · ${found.row.querySelector("th").textContent}: ${names[found.letter]}${reason ? ` (ignored: ${reason})` : ""}`;
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("button") : null;
    if (button && button.dataset.move) move(start + Number(button.dataset.move) * Math.floor(shown / 2));
    if (button && "unfold" in button.dataset) {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      filter();
    }
    const found = at(event);
    if (found && found.letter !== "a") location.href = `${found.run[2]}#${found.row.dataset.anchor}`;
  });
  box.addEventListener("input", filter);
  const scroll = document.querySelector("table.heat").parentElement;
  scroll.scrollLeft = scroll.scrollWidth;
})();
