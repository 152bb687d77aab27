"use strict";
// Every listener sits on the document, so a page of hundreds of animals works while it still loads.
document.documentElement.classList.add("js");

function filterBy(pressed) {
  const verdict = pressed.dataset.filter;
  for (const button of document.querySelectorAll("[data-filter]")) {
    button.setAttribute("aria-pressed", String(button === pressed));
  }
  for (const item of document.querySelectorAll("article, nav li")) {
    item.hidden = verdict !== "" && item.dataset.verdict !== verdict;
  }
}

function choose(article, candidate) {
  for (const part of article.querySelectorAll("[data-candidate]")) {
    const chosen = part.dataset.candidate === candidate;
    if (part.tagName === "TR") part.classList.toggle("chosen", chosen);
    else part.hidden = !chosen;
  }
}

function draw(article) {
  for (const control of article.querySelectorAll("fieldset")) {
    const [lines, points] = ["lines", "points"].map((what) => control.querySelector(`[data-draws=${what}]`).checked);
    const least = Number(control.querySelector("input[type=range]").value);
    control.querySelector(".least").textContent = least.toFixed(2);
    control.querySelector(".count").textContent = "0 of 0 matches";
    for (const matches of article.querySelectorAll(`.matches[data-matcher="${control.dataset.matcher}"]`)) {
      matches.classList.toggle("no-lines", !lines);
      matches.classList.toggle("no-points", !points);
      let sure = 0;
      for (const match of matches.children) {
        const weak = Number(match.dataset.score) < least;
        match.classList.toggle("weak", weak);
        sure += weak ? 0 : 1;
      }
      if (!matches.closest("figure").hidden) {
        control.querySelector(".count").textContent = `${sure} of ${matches.children.length} matches`;
      }
    }
  }
  article.classList.toggle("no-outline", !article.querySelector("[data-draws=outline]").checked);
}

document.addEventListener("click", (event) => {
  const filter = event.target.closest("[data-filter]");
  if (filter) filterBy(filter);
  const row = event.target.closest("tr[data-candidate]");
  if (row && !event.target.closest("label")) row.querySelector("input").click();
});

document.addEventListener("input", (event) => {
  const article = event.target.closest("article");
  if (event.target.type === "radio") choose(article, event.target.value);
  draw(article);
});
