/* Filter a list by verdict and text, keep the filter in the address, and copy commands. The page is readable without. */
(() => {
  "use strict";
  const nearest = (event, selector) => (event.target instanceof Element ? event.target.closest(selector) : null);
  const filters = [...document.querySelectorAll("[data-list]")];

  const state = () => {
    const words = new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");
    return { only: (words.get("verdict") || "").split(",").filter(Boolean), text: words.get("text") || "" };
  };
  const apply = (box) => {
    const chips = [...box.querySelectorAll("[data-only]")];
    const only = new Set(chips.filter((chip) => chip.getAttribute("aria-pressed") === "true").map((chip) => chip.dataset.only));
    const words = box.querySelector("input[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
    const table = document.getElementById(`list-${box.dataset.list}`);
    const rows = [...table.querySelectorAll(".item")];
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = (only.size > 0 && !only.has(row.dataset.verdict)) || !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    box.querySelector("output").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
    const empty = box.parentElement.querySelector(".empty");
    if (empty) empty.hidden = shown > 0 || rows.length === 0;
    return [only, words];
  };
  const remember = ([only, words]) => {
    const kept = new URLSearchParams();
    if (only.size) kept.set("verdict", [...only].join(","));
    if (words.length) kept.set("text", words.join(" "));
    const text = kept.toString();
    history.replaceState(null, "", text ? `#?${text}` : "#");
  };
  const restore = () => {
    const wanted = state();
    const target = location.hash.length > 1 && !location.hash.startsWith("#?") ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    for (const box of filters) {
      for (const chip of box.querySelectorAll("[data-only]")) chip.setAttribute("aria-pressed", String(!target && wanted.only.includes(chip.dataset.only)));
      box.querySelector("input[type=search]").value = target ? "" : wanted.text;
      apply(box);
    }
    if (target) target.scrollIntoView();
  };

  document.addEventListener("click", (event) => {
    const chip = nearest(event, "[data-only]");
    const copying = nearest(event, "[data-copy]");
    if (chip) {
      chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
      remember(apply(chip.closest("[data-list]")));
    }
    if (copying) {
      const range = document.createRange();
      range.selectNodeContents(copying.parentElement.querySelector("code"));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      const label = copying.textContent;
      const said = (text) => { copying.textContent = text; setTimeout(() => { copying.textContent = label; }, 1500); };
      if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText(copying.dataset.copy).then(() => said("Copied"), () => said("Press Ctrl+C"));
      else said("Press Ctrl+C");
    }
  });
  document.addEventListener("input", (event) => {
    const box = nearest(event, "[data-list]");
    if (box) remember(apply(box));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target instanceof HTMLInputElement || !filters.length) return;
    event.preventDefault();
    filters[0].querySelector("input[type=search]").focus();
  });
  addEventListener("hashchange", restore);
  restore();
  for (const box of document.querySelectorAll(".trend-scroll")) box.scrollLeft = box.scrollWidth; // the newest nights
})();
