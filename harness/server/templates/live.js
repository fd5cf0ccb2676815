"use strict";
// Replace the content of the page when the server says that something changed, and send what a person decides.
(() => {
  const content = document.getElementById("content");
  const connection = document.getElementById("connection");
  const answer = document.getElementById("answer");
  let busy = false, again = false, hiding = 0;

  function say(text) {
    answer.hidden = text === "";
    answer.textContent = text;
    clearTimeout(hiding);
    if (text === "done") hiding = setTimeout(() => say(""), 8000);
  }

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const response = await fetch(location.href, { headers: { "X-Fragment": "1" }, cache: "no-store" });
      if (response.ok && !typing()) replace(await response.text());
    } catch (error) {
      connection.textContent = "no connection";
    } finally {
      busy = false;
      if (again) { again = false; refresh(); }
    }
  }

  function typing() {
    const active = document.activeElement;
    return active !== null && content.contains(active) && /^(INPUT|SELECT|TEXTAREA)$/.test(active.tagName);
  }

  // What a person typed, by form and field: new content must not take it away.
  const fields = () => [...content.querySelectorAll("form input[name], form select[name]")].map(
    (one) => [`${one.form.dataset.post || one.form.action} ${one.name}`, one]);

  function replace(html) {
    const typed = new Map(fields().map(([key, one]) => [key, one.value]));
    const open = new Set([...content.querySelectorAll("details[open]")].map((one) => one.id));
    const focused = content.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    content.innerHTML = html;
    for (const [key, one] of fields()) if (typed.has(key)) one.value = typed.get(key);
    for (const one of content.querySelectorAll("details")) if (open.has(one.id)) one.open = true;
    if (focused) content.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
    const mark = content.querySelector("[data-icon]");
    if (mark) document.querySelector("link[rel=icon]").href = mark.dataset.icon;
  }

  // Ask for the token, unless this tab knows it; empty when the person cancels.
  function token() {
    const known = sessionStorage.getItem("harness-token");
    if (known) return Promise.resolve(known);
    const dialog = document.getElementById("token-dialog"), input = document.getElementById("token-input");
    input.value = "";
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        if (dialog.returnValue === "use" && input.value) sessionStorage.setItem("harness-token", input.value);
        resolve(dialog.returnValue === "use" ? input.value : "");
      }, { once: true });
    });
  }

  async function send(url, body) {
    const known = await token();
    if (!known) return;
    say("sending");
    const response = await fetch(url, {
      method: "POST",
      headers: { "Authorization": `Bearer ${known}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (response.status === 401) sessionStorage.removeItem("harness-token");
    if (response.ok) for (const form of content.querySelectorAll("form[data-post]")) form.reset();
    if (response.ok) say(outcome(text));
    else if (response.status === 401) say("This is not the token of these pages. Nothing was changed.");
    else say(`${text} Nothing was changed.`);
    refresh();
  }

  function outcome(text) {
    const found = JSON.parse(text);
    return found.output === undefined ? "done" : found.output;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-post]");
    if (button) send(button.dataset.post, {});
  });
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-post]");
    if (!form) return;
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    document.activeElement?.blur();
    send(form.dataset.post, { ...fields, approved: event.submitter?.value === "true" });
  });
  document.getElementById("token")?.addEventListener("click", () => {
    sessionStorage.removeItem("harness-token");
    token();
  });

  const events = new EventSource("/events");
  events.addEventListener("open", () => { connection.textContent = "live"; });
  events.addEventListener("error", () => { connection.textContent = "no connection"; });
  events.addEventListener("changed", refresh);
})();
