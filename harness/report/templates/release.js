/* Load the page of a release again while it goes on, unless the reader turns that off or has selected text. */
(() => {
  "use strict";
  const box = document.querySelector("[data-reload]");
  if (!box) return;
  setInterval(() => {
    if (box.checked && !document.hidden && !String(getSelection())) location.reload();
  }, Number(box.dataset.reload) * 1000);
})();
