"use strict";
// Crosshair, tips, legend, log scale, pickers, sorting, filtering and theme. The page is complete without it.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const svgNode = (name, attributes) => {
    const node = document.createElementNS(document.querySelector("svg.chart").namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };

  const root = document.documentElement;
  const button = document.getElementById("theme");
  const isDark = () => root.dataset.theme
    ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const nameTheme = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  // A page opened from disk may have no storage; the choice then lasts as long as the page.
  try { root.dataset.theme = localStorage.getItem("starling-theme") || ""; } catch { /* kept for this page only */ }
  if (!root.dataset.theme) delete root.dataset.theme;
  button.hidden = false;
  nameTheme();
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("starling-theme", root.dataset.theme); } catch { /* kept for this page only */ }
    nameTheme();
  });

  const curves = JSON.parse(document.getElementById("curves").textContent);
  const stamps = curves.x.map(([first, unit, ...steps]) => {
    let at = first;
    return [first, ...steps.map((step) => (at += step * unit))];
  });
  for (const plot of Object.values(curves.plots)) {
    for (const one of plot.series) {
      let whole = 0;
      one.y = one.y.map((step) => (whole += step) / one.scale);
    }
  }
  const written = (value, percent) => percent
    ? `${(value * 100).toFixed(2)} %`
    : value.toLocaleString("en-US", Math.abs(value) < 1
      ? { maximumSignificantDigits: 6 } : { maximumFractionDigits: Math.abs(value) < 100 ? 5 : 2 });
  const moment = (seconds) => {
    const text = new Date(seconds * 1000).toISOString();
    return seconds % 86400 === 0 ? text.slice(0, 10) : `${text.slice(0, 10)} ${text.slice(11, 19)}`;
  };
  // The place of the stamp nearest to `at` in an ascending list.
  const nearest = (list, at) => {
    let low = 0, high = list.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle] < at) low = middle + 1; else high = middle;
    }
    return low > 0 && at - list[low - 1] < list[low] - at ? low - 1 : low;
  };

  // What a finger opens stays until the next touch, as a finger cannot hover; one that scrolls opens nothing.
  let close = () => {};
  document.addEventListener("pointerdown", () => close(), true);
  const closes = (node, clear) => {
    node.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") clear(); });
    node.addEventListener("pointercancel", clear);
  };

  for (const svg of all("svg[data-plot]")) {
    const plot = curves.plots[svg.dataset.plot];
    if (!plot || !plot.series.length) continue;
    const figure = svg.closest("figure");
    const stage = svg.parentElement;
    const [left, top, right, bottom] = svg.dataset.frame.split(" ").map(Number);
    const [xLow, xHigh] = svg.dataset.x.split(" ").map(Number);
    const [yLow, yHigh] = svg.dataset.y.split(" ").map(Number);
    const log = svg.dataset.spread === "log";
    const placeX = (x) => left + (x - xLow) / (xHigh - xLow) * (right - left);
    const placeY = (y) => bottom - (log ? Math.log(y / yLow) / Math.log(yHigh / yLow) : (y - yLow) / (yHigh - yLow)) * (bottom - top);
    const key = (layer) => figure.querySelector(`.key[data-layer="${layer}"]`);
    const seen = () => plot.series.filter((one) => key(one.layer).getAttribute("aria-pressed") === "true");
    let marks = [], tip = null, current = null;

    const clear = () => {
      marks.forEach((node) => node.remove());
      if (tip) tip.remove();
      marks = [];
      tip = current = null;
    };
    const show = (at) => {
      clear();
      const series = seen();
      if (!series.length) return;
      close = clear;
      const lead = stamps[series[0].x];
      current = nearest(lead, at);
      const when = lead[current];
      const x = placeX(when);
      marks.push(svg.appendChild(svgNode("path", { class: "cross", d: `M${x} ${top}V${bottom}` })));
      tip = document.createElement("div");
      tip.className = "tip";
      tip.append(Object.assign(document.createElement("b"), { textContent: plot.across ? `${plot.across}: ${when}` : moment(when) }));
      for (const one of series) {
        const value = one.y[nearest(stamps[one.x], when)];
        const ink = [...key(one.layer).classList].find((name) => /^c./.test(name));
        marks.push(svg.appendChild(svgNode("circle", { class: `dot ${ink}`, cx: x, cy: placeY(value), r: 4 })));
        const row = document.createElement("div");
        row.className = ink;
        row.append(
          document.createElement("i"),
          Object.assign(document.createElement("span"), { textContent: key(one.layer).textContent }),
          Object.assign(document.createElement("span"), { textContent: written(value, plot.percent) }),
        );
        tip.append(row);
      }
      stage.append(tip);
      const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
      const after = x * scale + 14;
      const fits = after + tip.offsetWidth <= stage.clientWidth;
      tip.style.left = `${fits ? after : Math.max(0, x * scale - 14 - tip.offsetWidth)}px`;
    };
    const pointed = (event) => {
      const box = svg.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      show(xLow + (Math.min(Math.max(x, left), right) - left) / (right - left) * (xHigh - xLow));
    };
    svg.addEventListener("pointermove", pointed);
    svg.addEventListener("pointerdown", pointed);
    closes(svg, clear);
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("blur", clear);
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const series = seen();
      if (!step || !series.length) return;
      event.preventDefault();
      const lead = stamps[series[0].x];
      const from = current === null ? (step > 0 ? -1 : lead.length) : current;
      show(lead[Math.min(Math.max(from + step, 0), lead.length - 1)]);
    });
  }

  for (const row of all("g.row[data-tip]")) {
    const stage = row.closest(".stage");
    const svg = row.closest("svg");
    let tip = null;
    const clear = () => { if (tip) tip.remove(); tip = null; };
    const show = (event) => {
      clear();
      close = clear;
      const [name, ...lines] = row.dataset.tip.split("\n");
      tip = Object.assign(document.createElement("div"), { className: "tip lines" });
      tip.append(Object.assign(document.createElement("b"), { textContent: name }), lines.join("\n"));
      stage.append(tip);
      const box = stage.getBoundingClientRect();
      const under = row.getBoundingClientRect().bottom - box.top + 2;
      const above = row.getBoundingClientRect().top - box.top - tip.offsetHeight - 2;
      tip.style.top = `${under + tip.offsetHeight <= svg.getBoundingClientRect().height || above < 0 ? under : above}px`;
      tip.style.left = `${Math.max(0, Math.min(event.clientX - box.left + 12, box.width - tip.offsetWidth))}px`;
    };
    row.addEventListener("pointermove", show);
    row.addEventListener("pointerdown", show);
    closes(row, clear);
  }

  for (const key of all(".key")) {
    key.addEventListener("click", () => {
      const on = key.getAttribute("aria-pressed") !== "true";
      key.setAttribute("aria-pressed", on);
      const figure = key.closest("figure");
      all("svg[data-plot]", figure).forEach((svg) => svg.dispatchEvent(new Event("pointerleave")));
      all(`g.layer[data-layer="${key.dataset.layer}"]`, figure)
        .forEach((layer) => { layer.style.display = on ? "" : "none"; });
    });
  }

  for (const toggle of all("button.spread")) {
    toggle.hidden = false;
    toggle.addEventListener("click", () => {
      const log = toggle.getAttribute("aria-pressed") !== "true";
      toggle.setAttribute("aria-pressed", log);
      toggle.textContent = log ? "Linear scale" : "Log scale";
      toggle.closest("figure").dataset.spread = log ? "log" : "linear";
    });
  }

  for (const choice of all(".choice")) {
    const label = choice.querySelector(":scope > label");
    if (!label) continue;
    const select = label.querySelector("select");
    const options = all(":scope > .option", choice);
    const pick = () => options.forEach((option, i) => { option.hidden = i !== Number(select.value); });
    label.hidden = false;
    select.addEventListener("change", pick);
    pick();
  }

  for (const table of all("table.sortable")) {
    const body = table.tBodies[0];
    if (body.rows.length >= 10) {
      const filter = Object.assign(document.createElement("input"), { type: "search", className: "filter", placeholder: "Show rows with …" });
      filter.setAttribute("aria-label", "Show rows with");
      const found = Object.assign(document.createElement("output"), { className: "found" });
      table.parentElement.before(filter, found);
      filter.addEventListener("input", () => {
        const words = filter.value.toLowerCase().split(/\s+/);
        let shown = 0;
        for (const row of body.rows) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every((word) => text.includes(word));
          shown += row.hidden ? 0 : 1;
        }
        found.textContent = shown === body.rows.length ? "" : `${shown} of ${body.rows.length} rows`;
      });
    }
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const by = Object.assign(document.createElement("button"), { type: "button", textContent: head.textContent });
      head.replaceChildren(by);
      by.addEventListener("click", () => {
        const falling = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", falling ? "descending" : "ascending");
        const value = (row) => {
          const cell = row.cells[column];
          const text = cell.dataset.v ?? cell.textContent;
          const number = text === "" ? NaN : Number(text.replace(/[+,% ]/g, ""));
          return Number.isNaN(number) ? text : number;
        };
        const order = (a, b) => {
          if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
          return typeof a === "number" ? -1 : 1;
        };
        const rows = [...table.tBodies[0].rows].map((row) => [value(row), row]);
        rows.sort((a, b) => order(a[0], b[0]) * (falling ? -1 : 1));
        table.tBodies[0].append(...rows.map((pair) => pair[1]));
      });
    });
  }
})();
