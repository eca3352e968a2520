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

// A button beside a text copies it.
document.addEventListener("click", function (event) {
  var button = event.target.closest ? event.target.closest("[data-copy]") : null;
  if (!button) return;
  var text = document.getElementById(button.dataset.copy);
  text.select();
  var done = function () { button.textContent = button.dataset.done; };
  if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText(text.value).then(done, function () {});
  else if (document.execCommand("copy")) done();
});

// A page that says where it is told of changes is asked for again when it has become
// another. Nobody is disturbed who writes in it, and nobody's session is kept open who has
// gone: after a quarter of an hour without a hand on the page it listens no more until
// there is one.
(function () {
  var quiet = 15 * 60 * 1000, source = null, touched = Date.now();
  function place() { return document.querySelector("[data-live]"); }
  function arm() { document.querySelectorAll("[data-copy][hidden]").forEach(function (b) { b.hidden = false; }); }
  function stop() { if (source) { source.close(); source = null; } }
  function renew() {
    var on = document.activeElement, here = place();
    if (Date.now() - touched > quiet) { stop(); return; }
    if (!here || (on && here.contains(on) && /^(INPUT|SELECT|TEXTAREA)$/.test(on.tagName))) return;
    fetch(location.href, { headers: { "Accept": "text/html" } }).then(function (answer) {
      if (!answer.ok || answer.redirected) throw new Error("gone");
      return answer.text();
    }).then(function (text) {
      var next = new DOMParser().parseFromString(text, "text/html").querySelector("[data-live]");
      if (!next || !place()) return;
      var open = Array.prototype.map.call(place().querySelectorAll("details"), function (d) { return d.open; });
      place().replaceWith(document.adoptNode(next));
      Array.prototype.forEach.call(place().querySelectorAll("details"), function (d, i) { if (i in open) d.open = open[i]; });
      arm();
    }).catch(stop);
  }
  function start() {
    var here = place();
    if (source || !here || !here.dataset.live || !window.EventSource) return;
    source = new EventSource(here.dataset.live);
    source.addEventListener("changed", renew);
  }
  ["pointerdown", "pointermove", "keydown", "scroll"].forEach(function (name) {
    addEventListener(name, function () { touched = Date.now(); if (!document.hidden) start(); }, { passive: true });
  });
  document.addEventListener("visibilitychange", function () { if (document.hidden) stop(); else start(); });
  addEventListener("pagehide", stop);
  arm();
  start();
})();
