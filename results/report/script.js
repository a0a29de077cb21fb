// The page is whole without this: it sorts tables, unfolds what a link leads to, and chooses pictures.
"use strict";

const NOTHING = "–";

function number(text) {
  return parseFloat(text.replaceAll(",", "").replace(/^[<+]/, ""));
}

function sort(table, column, descending) {
  const numeric = table.tHead.rows[0].cells[column].classList.contains("number");
  const text = row => row.cells[column].textContent.trim();
  const rows = [...table.tBodies[0].rows];
  rows.sort((one, other) => {
    const [a, b] = [text(one), text(other)];
    if (a === NOTHING || b === NOTHING) return (a === NOTHING) - (b === NOTHING);
    const order = numeric ? number(a) - number(b) : a.localeCompare(b, "en", { numeric: true });
    return descending ? -order : order;
  });
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const descending = head.ariaSort === "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sort(table, column, descending);
    });
  });
}

function open() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let part = target?.closest("details"); part; part = part.parentElement.closest("details")) part.open = true;
  target?.scrollIntoView();
}
addEventListener("hashchange", open);
open();

// On paper nothing is folded.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});

for (const chooser of document.querySelectorAll(".chooser")) {
  const place = chooser.parentElement;
  chooser.hidden = false;
  chooser.addEventListener("change", ({ target }) => {
    if (target.matches("[data-maps]")) {
      const chosen = target.value;
      place.querySelector(".panel").classList.toggle("single", chosen !== "");
      for (const cell of place.querySelectorAll("[data-map]")) cell.hidden = chosen !== "" && cell.dataset.map !== chosen;
    } else if (target.matches("[data-runs]")) {
      for (const figure of place.querySelectorAll("[data-run]")) {
        figure.hidden = target.value !== "" && figure.dataset.run !== target.value;
      }
    } else {
      place.querySelector(`[data-row="${target.dataset.ofRow}"]`).hidden = !target.checked;
    }
  });
}
