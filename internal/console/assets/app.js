// Keys for hands that stay on the keyboard; every page works without this file.
// "/" goes to the search box, j and k along a list, Enter or e opens the row, x
// chooses it.
"use strict";
document.addEventListener("keydown", function (event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  var on = document.activeElement;
  if (on && /^(INPUT|SELECT|TEXTAREA)$/.test(on.tagName) && !/^(checkbox|radio)$/.test(on.type)) {
    if (event.key === "Escape") on.blur();
    return;
  }
  if (event.key === "/") {
    var find = document.querySelector("[data-find]");
    if (find) { event.preventDefault(); find.focus(); find.select(); } else { location.href = document.body.dataset.home; }
    return;
  }
  var rows = Array.prototype.slice.call(document.querySelectorAll("tbody[data-rows] > tr"));
  if (!rows.length) return;
  var at = rows.findIndex(function (row) { return row.classList.contains("at"); });
  if (event.key === "j" || event.key === "k") {
    var next = event.key === "j" ? Math.min(at + 1, rows.length - 1) : Math.max(at - 1, 0);
    if (at >= 0) rows[at].classList.remove("at");
    rows[next].classList.add("at");
    rows[next].scrollIntoView({ block: "nearest" });
  } else if (event.key === "x" && at >= 0) {
    var box = rows[at].querySelector("input[type=checkbox], input[type=radio]");
    if (box) box.click();
  } else if ((event.key === "e" || event.key === "Enter") && at >= 0) {
    var link = rows[at].querySelector("a");
    if (link && (event.key === "e" || on === document.body)) location.href = link.href;
  }
});
