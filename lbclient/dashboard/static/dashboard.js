"use strict";
// What the pages do beyond HTML and htmx: they hear of changes at once, and send filters by themselves.
(() => {
  const CHANGED = 150; // ms in which several events become one refresh

  document.documentElement.classList.add("has-script");

  function listen(address) {
    let isDue = false;
    const source = new EventSource(address);
    source.onmessage = () => {
      if (isDue) return;
      isDue = true;
      setTimeout(() => {
        isDue = false;
        document.body.dispatchEvent(new CustomEvent("changed"));
      }, CHANGED);
    };
    window.addEventListener("pagehide", () => source.close());
  }

  function sendByItself() {
    let timer = 0;
    for (const field of document.querySelectorAll("[data-sends]")) {
      // Keys that only pass over the choices must not leave the page: the mouse sends at once, the keyboard by Enter.
      let isKey = false;
      field.addEventListener("keydown", (event) => {
        isKey = event.key !== "Enter";
        if (event.key === "Enter") field.form.requestSubmit();
      });
      field.addEventListener("pointerdown", () => { isKey = false; });
      field.addEventListener("change", () => { if (!isKey) field.form.requestSubmit(); });
    }
    for (const field of document.querySelectorAll("[data-filters]")) {
      field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => filter(field), 80); });
    }
  }

  function filter(field) {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const each of document.querySelectorAll(field.dataset.filters)) {
      const text = each.textContent.toLowerCase();
      each.hidden = !words.every((word) => text.includes(word));
      count += each.hidden ? 0 : 1;
    }
    for (const group of document.querySelectorAll("[data-group]")) {
      group.hidden = !group.querySelector(`${field.dataset.filters}:not([hidden])`);
    }
    const said = document.getElementById(field.dataset.count);
    if (said) said.textContent = `${count} found`;
  }

  // A menu closes where the focus leaves it, and with Escape.
  function closeMenus() {
    for (const menu of document.querySelectorAll("details.more")) {
      menu.addEventListener("focusout", (event) => { if (!menu.contains(event.relatedTarget)) menu.open = false; });
      menu.addEventListener("keydown", (event) => {
        if (event.key === "Escape") { menu.open = false; menu.querySelector("summary").focus(); }
      });
    }
  }

  sendByItself();
  closeMenus();
  if (document.body.dataset.events && document.querySelector('[hx-trigger*="changed"]')) listen(document.body.dataset.events);
})();
