/* The page's script: tooltips of figures, sorting of tables, filters of examples. Without it, figures show their numbers
   as titles, and tables and examples are complete. It uses no library, sends no request and stores nothing. */
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const set = (element, attributes) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  /** An element with attributes and children. */
  const make = (tag, attributes, ...children) => {
    const element = set(document.createElement(tag), attributes);
    element.append(...children);
    return element;
  };

  const svgMake = (tag, attributes) => set(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes);

  // ---------------------------------------------------------------------------------------------------------- figures

  const REACH = 18; // maximum distance of the pointer from a mark, in units of the drawing (points)
  const bubble = make("div", { id: "bubble", role: "status", hidden: "" });
  document.body.append(bubble);

  /** The drawing's marks, from matplotlib's groups with a title: element, text, series, and box (set later). */
  const marksOf = (svg) =>
    all("g > title", svg).map((title) => {
      const element = title.parentNode;
      const text = title.textContent;
      title.remove(); // the browser would show it as a second bubble
      return { element, text, series: element.dataset.series, box: null };
    });

  const middle = ({ box }) => [box.x + box.width / 2, box.y + box.height / 2];

  const nearest = (marks, x, y) => {
    let best = null;
    let least = [REACH, Infinity];
    for (const mark of marks) {
      const { box } = mark;
      const outside = Math.hypot(
        Math.max(box.x - x, 0, x - box.x - box.width),
        Math.max(box.y - y, 0, y - box.y - box.height),
      );
      const [cx, cy] = middle(mark);
      const apart = Math.hypot(cx - x, cy - y);
      if (outside < least[0] || (outside === least[0] && apart < least[1])) {
        best = mark;
        least = [outside, apart];
      }
    }
    return best;
  };

  /** The nearest mark above (way = -1) or below (1); a distance to the side counts four times. */
  const beyond = (marks, from, way) => {
    const [x, y] = middle(from);
    const cost = (mark) => {
      const [cx, cy] = middle(mark);
      return (cy - y) * way < 0.5 ? Infinity : Math.abs(cy - y) + 4 * Math.abs(cx - x);
    };
    return marks.reduce((best, mark) => (cost(mark) < cost(best) ? mark : best), from);
  };

  const figure = (svg) => {
    const marks = marksOf(svg);
    const elements = all("[data-series]", svg);
    const series = [...new Set(elements.map((element) => element.dataset.series))];
    const region = svg.closest(".scroll");
    const ring = svgMake("rect", { class: "ring", hidden: "" });
    svg.append(ring);
    let current = null;
    const hidden = new Set();
    const shown = () => {
      const visible = marks.filter((mark) => !hidden.has(mark.series));
      for (const mark of visible) mark.box ??= mark.element.getBBox();
      return visible;
    };

    const emphasize = (name) => {
      for (const element of elements) element.classList.toggle("faint", !!name && element.dataset.series !== name);
    };

    const show = (mark) => {
      if (mark === current) return;
      current = mark;
      emphasize(mark?.series);
      ring.toggleAttribute("hidden", !mark);
      bubble.hidden = !mark;
      if (!mark) return;
      const { x, y, width, height } = mark.box;
      const room = 3;
      const corner = width < 14 ? 9 : 3;
      set(ring, { x: x - room, y: y - room, rx: corner, width: width + 2 * room, height: height + 2 * room });
      const [title, ...lines] = mark.text.split("\n");
      bubble.replaceChildren(make("b", {}, title));
      for (const line of lines)
        bubble.append(make("span", line.includes("|") ? { class: "signature" } : {}, line));
      place();
    };

    /** Put the bubble above the ring, or below it if there is no room. */
    const place = () => {
      const at = ring.getBoundingClientRect();
      const own = bubble.getBoundingClientRect();
      const left = Math.min(at.left + at.width / 2 - own.width / 2, innerWidth - own.width - 8);
      bubble.style.left = `${Math.max(8, left)}px`;
      bubble.style.top = `${at.top - own.height - 8 > 0 ? at.top - own.height - 8 : at.bottom + 8}px`;
    };

    if (marks.length) {
      const point = (event) => {
        const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
        show(nearest(shown(), at.x, at.y));
      };
      svg.addEventListener("pointermove", point);
      svg.addEventListener("pointerdown", point);
      svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && show(null));
      region.addEventListener("blur", () => show(null));
      region.addEventListener("keydown", (event) => {
        if (event.target !== region || event.ctrlKey || event.altKey || event.metaKey) return;
        const visible = shown();
        const at = visible.indexOf(current);
        const next = {
          ArrowRight: () => visible[at + 1] ?? current ?? visible[0],
          ArrowLeft: () => visible[at < 0 ? visible.length - 1 : Math.max(0, at - 1)],
          ArrowUp: () => (current ? beyond(visible, current, -1) : visible[0]),
          ArrowDown: () => (current ? beyond(visible, current, 1) : visible[0]),
          Home: () => visible[0],
          End: () => visible.at(-1),
          Escape: () => null,
        }[event.key];
        if (!next) return;
        event.preventDefault();
        const mark = next();
        mark?.element.scrollIntoView({ block: "nearest", inline: "nearest" });
        show(mark ?? null);
      });
      region.setAttribute("aria-description", "Arrow keys move from point to point and show its numbers.");
      document.addEventListener("scroll", () => current && place(), { passive: true, capture: true });
      document.addEventListener("pointerdown", (event) => svg.contains(event.target) || show(null));
    }

    if (series.length < 2) return;
    const group = make("div", { class: "tools", role: "group", "aria-label": "Lines of the figure" });
    const everything = make("button", { type: "button", hidden: "", class: "plain" }, "Show all");
    const buttons = series.map((name) => {
      const own = elements.filter((element) => element.dataset.series === name);
      const line = own.map((element) => element.querySelector(":scope > path")).find((path) => path?.style.stroke);
      const swatch = svgMake("svg", { viewBox: "0 0 24 8", "aria-hidden": "true" });
      const stroke = svgMake("line", { x1: 0, x2: 24, y1: 4, y2: 4 });
      stroke.style.stroke = line?.style.stroke ?? "currentColor";
      stroke.style.strokeDasharray = line?.style.strokeDasharray ?? "";
      swatch.append(stroke);
      const button = make("button", { type: "button", "aria-pressed": "true" }, swatch, name);
      button.addEventListener("click", () => {
        if (!hidden.delete(name)) hidden.add(name);
        update();
      });
      button.addEventListener("pointerenter", () => emphasize(hidden.has(name) ? null : name));
      button.addEventListener("pointerleave", () => emphasize(null));
      return button;
    });
    const update = () => {
      for (const element of elements) element.classList.toggle("off", hidden.has(element.dataset.series));
      buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(!hidden.has(series[at]))));
      if (!hidden.size && document.activeElement === everything) buttons[0].focus();
      everything.hidden = !hidden.size;
      emphasize(null);
    };
    everything.addEventListener("click", () => {
      hidden.clear();
      update();
    });
    group.append(...buttons, everything);
    region.before(group);
  };

  all("figure .scroll > svg").forEach(figure);

  // ----------------------------------------------------------------------------------------------------------- tables

  /** Sort key of a row: a cell's number or text; null for a dash. The first column is always text. */
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    const copy = cell.cloneNode(true);
    all("small, sup, details, .id, .source, .sign", copy).forEach((part) => part.remove());
    const text = copy.textContent.trim().replaceAll("−", "-");
    if (text === "–" || text === "") return null;
    const number = column && text.match(/^[<+]?\s*(-?[\d,]*\.?\d+)/);
    return number ? Number(number[1].replaceAll(",", "")) : text.toLowerCase();
  };

  const compare = (a, b) =>
    typeof a === typeof b ? (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }))
      : typeof a === "number" ? -1 : 1;

  const sortable = (table) => {
    const head = [...table.tHead.rows].at(-1);
    const before = [...table.tBodies].map((body) => [body, [...body.rows]]);
    const rows = before.flatMap(([, own]) => own);
    const data = rows.filter((row) => !row.classList.contains("system"));
    const titles = rows.filter((row) => row.classList.contains("system"));
    if (data.length < 2) return;
    const restore = () => before.forEach(([body, own]) => body.append(...own));

    const sort = (column, way) => {
      restore();
      table.classList.toggle("sorted", !!way);
      for (const cell of head.cells) cell.removeAttribute("aria-sort");
      titles.forEach((row) => (row.hidden = !!way));
      if (!way) return;
      head.cells[column].setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
      const keys = new Map(data.map((row) => [row, keyOf(row, column)]));
      const order = [...data].sort((a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        return x === null || y === null ? (x === null) - (y === null) : way * compare(x, y);
      });
      before[0][0].append(...order);
    };

    [...head.cells].forEach((cell, column) => {
      const numbers = data.some((row) => typeof keyOf(row, column) === "number");
      const first = numbers && column ? -1 : 1; // numbers first sort from the largest
      const button = make("button", { type: "button", class: "sort" }, ...cell.childNodes);
      button.addEventListener("click", () => {
        const now = { ascending: 1, descending: -1 }[cell.getAttribute("aria-sort")] ?? 0;
        sort(column, now === 0 ? first : now === first ? -first : 0);
      });
      cell.replaceChildren(button);
    });
  };

  all("table.sortable").forEach(sortable);

  // --------------------------------------------------------------------------------------------------------- examples

  const STEP = 5; // number of examples that one click adds

  const field = (label, control) => make("label", {}, make("span", {}, label), control);
  const choice = (options) => make("select", {}, ...options.map(([value, text]) => make("option", { value }, text)));

  /** Put all hypotheses of a card into one list, with each system's settings together. */
  const unfold = (card) => {
    const list = card.querySelector("dl");
    const folded = card.querySelector(".others");
    for (const entry of folded ? all(".hypothesis", folded) : []) {
      const kin = all(".hypothesis", list).filter((other) => other.dataset.system === entry.dataset.system);
      if (kin.length) kin.at(-1).after(entry);
      else list.append(entry);
    }
    folded?.remove();
  };

  /** System and setting -> line of a card's timeline, including folded settings. */
  const linesOf = (card) => {
    const folded = all("template", card).flatMap((template) => [...template.content.children]);
    const lines = [...all(".timeline tbody tr", card), ...folded];
    return new Map(lines.map((line) => [[line.dataset.system, line.dataset.setting].join("\n"), line]));
  };

  const browser = (box) => {
    const rest = box.querySelector(".rest");
    const cards = all(".example", box);
    rest?.before(...all(".example", rest));
    rest?.remove();
    cards.forEach(unfold);
    const lines = new Map(cards.map((card) => [card, linesOf(card)]));
    const distinct = (values) => [...new Set(values)];
    const pairs = distinct(cards.map((card) => card.dataset.pair));
    const settings = distinct(all(".hypothesis", box).map((entry) => entry.dataset.setting)).filter(Boolean);
    settings.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));

    const pair = choice([["", "all"], ...pairs.map((name) => [name, name])]);
    const setting = choice([["", "each system's first"], ...settings.map((name) => [name, name]), ["*", "all of them"]]);
    const order = choice([["", "as in the test set"], ["gap", "largest difference first"]]);
    const astray = make("input", { type: "checkbox" });
    const count = make("p", { class: "quiet", role: "status" });
    const more = make("button", { type: "button", class: "plain" });
    let limit = STEP;

    /** Show the hypotheses at the chosen setting; for a system without this setting, its first. */
    const settle = (card) => {
      const entries = all(".hypothesis", card);
      const has = (system) => entries.some(
        ({ dataset }) => dataset.system === system && dataset.setting === setting.value,
      );
      const seen = new Set();
      for (const entry of entries) {
        const { system, setting: own } = entry.dataset;
        entry.hidden = setting.value !== "*" && (has(system) ? own !== setting.value : seen.has(system));
        seen.add(system);
      }
      const table = card.querySelector(".timeline");
      if (!table) return;
      const shown = entries.filter((entry) => !entry.hidden).map(
        ({ dataset }) => lines.get(card).get([dataset.system, dataset.setting].join("\n")),
      );
      table.tBodies[0].replaceChildren(...shown.filter(Boolean));
    };

    const update = () => {
      const fit = cards.filter(
        (card) => (!pair.value || card.dataset.pair === pair.value) && (!astray.checked || "astray" in card.dataset),
      );
      if (order.value) fit.sort((a, b) => b.dataset.gap - a.dataset.gap);
      cards.forEach((card) => (card.hidden = true));
      for (const card of fit.slice(0, limit)) {
        settle(card);
        card.hidden = false;
      }
      more.before(...fit);
      count.textContent = `${Math.min(limit, fit.length)} of ${fit.length} sentences`;
      more.textContent = `Show ${Math.min(STEP, fit.length - limit)} more`;
      more.hidden = fit.length <= limit;
    };
    const anew = () => {
      limit = STEP;
      update();
    };
    more.addEventListener("click", () => {
      const last = all(".example:not([hidden])", box).at(-1);
      limit += STEP;
      update();
      if (more.hidden) { // a hidden button loses the focus
        last.setAttribute("tabindex", "-1");
        last.focus();
      }
    });
    for (const control of [pair, setting, order, astray]) control.addEventListener("change", anew);

    const tools = make("div", { class: "tools", role: "group", "aria-label": "Which sentences" });
    if (pairs.length > 1) tools.append(field("Pair", pair));
    if (settings.length > 1) tools.append(field("Setting", setting));
    tools.append(field("Order", order));
    if (cards.some((card) => "astray" in card.dataset)) tools.append(field("Only off target", astray));
    cards[0].before(tools, count);
    box.append(more);
    update();
  };

  all(".examples").forEach(browser);
})();
