/* Sends a sentence to the server of this page and shows the events of its translation; watch.py describes them. All text
   is set as text, never as HTML. */
"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const form = by("request");
  const choices = ["system", "pair", "setting", "seed"];
  let systems = [];
  let running = null; // AbortController of the translation that is shown

  /** An element with a class and a text. */
  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.textContent = text ?? "";
    return element;
  };

  const fail = (message) => {
    by("error").textContent = message;
    by("error").hidden = !message;
  };

  // ---------------------------------------------------------------------------------------------------------- choices

  const keyOf = { system: (row) => `${row.experiment}/${row.system}`, pair: (row) => row.pair, setting: (row) => row.setting, seed: (row) => `${row.seed}` };
  const nameOf = {
    system: (row) => (row.label ? `${row.system} (${row.label})` : row.system),
    pair: (row) => row.languages,
    setting: (row) => row.setting || "none",
    seed: (row) => `${row.seed}`,
  };

  /** Fill one list with the values of `rows`; an entry without any model cannot be chosen. */
  const fill = (kind, rows) => {
    const list = by(kind);
    const before = list.value;
    const entries = new Map();
    for (const row of rows) {
      const key = keyOf[kind](row);
      const entry = entries.get(key) ?? { row, made: false };
      entry.made ||= !row.missing;
      entries.set(key, entry);
    }
    list.replaceChildren();
    const groups = new Map();
    for (const [key, { row, made }] of entries) {
      const option = make("option", "", nameOf[kind](row) + (made ? "" : ", no model yet"));
      option.value = key;
      option.disabled = !made;
      let parent = list;
      if (kind === "system") {
        parent = groups.get(row.experiment) ?? make("optgroup");
        parent.label = row.title;
        groups.set(row.experiment, parent);
        list.append(parent);
      }
      parent.append(option);
    }
    const known = entries.get(before)?.made ? before : [...entries].find(([, entry]) => entry.made)?.[0];
    list.value = known ?? "";
  };

  /** Fill every list with what fits the lists before it; the row that is chosen. */
  const choose = () => {
    let rows = systems;
    for (const kind of choices) {
      fill(kind, rows);
      rows = rows.filter((row) => keyOf[kind](row) === by(kind).value);
    }
    by("seeds").hidden = by("seed").options.length < 2;
    const [row] = rows;
    if (row) by("text").lang = row.source;
    by("translate").disabled = !row;
    return row;
  };

  const showUnmade = () => {
    const commands = new Map();
    for (const row of systems) {
      if (!row.missing) continue;
      const names = commands.get(row.missing) ?? new Set();
      commands.set(row.missing, names.add(`${row.experiment}: ${[row.system, row.setting].filter(Boolean).join(", ")}`));
    }
    const box = by("unmade");
    box.hidden = !commands.size;
    box.querySelector("summary").textContent = `${commands.size} ${commands.size === 1 ? "model is" : "models are"} not made yet`;
    const list = box.querySelector("dl");
    list.replaceChildren();
    for (const [command, names] of commands) {
      const cell = make("dd");
      cell.append(make("code", "", command));
      list.append(make("dt", "", [...names].join("; ")), cell);
    }
    if (!systems.length) fail("No system of this configuration decodes word by word.");
    else if (systems.every((row) => row.missing)) {
      fail("No model is made yet. Run one of the commands below, then load this page again.");
      box.open = true;
    }
  };

  // ------------------------------------------------------------------------------------------------------ translation

  /** What a translation shows; every event changes it. */
  const shown = (row) => {
    const table = document.querySelector(".stairs");
    const [head, body] = [table.tHead.rows[0], table.tBodies[0]];
    const [source, target] = [by("source"), by("target")];
    let [total, read, written, blank] = [0, 0, 0, ""];
    by("result").hidden = false;
    for (const element of [head, body, source, target, by("signature")]) element.replaceChildren();
    for (const id of ["read", "written", "laal"]) by(id).textContent = "–";
    [source.lang, target.lang, head.lang, body.lang] = [row.source, row.target, row.source, row.target];

    const begin = (words, units) => {
      total = words.length;
      blank = units.target === "word" ? " " : "";
      for (const id of ["unit", "unit-again"]) by(id).textContent = units.target;
      const corner = make("th", "", "");
      corner.append(make("span", "of", `${units.target} of the translation`));
      corner.lang = "en";
      head.append(corner);
      for (const [at, word] of words.entries()) {
        if (at && units.source === "word") source.append(" ");
        source.append(make("span", "ahead", word));
        head.append(make("th", "", word.trim()));
      }
      for (const cell of head.cells) cell.scope = "col";
      // the direction that `dir=auto` finds for the source; the region that scrolls begins at the first source word
      table.parentNode.dir = getComputedStyle(source).direction;
      count();
    };

    const count = () => {
      by("read").textContent = `${read} of ${total}`;
      by("written").textContent = `${written}`;
    };

    const write = (word, at, laal) => {
      target.append((written ? blank : "") + word);
      written += 1;
      const line = body.insertRow();
      const name = make("th", "", word.trim());
      [name.scope, name.dir] = ["row", "auto"];
      const bar = make("td", "read", `${at}`);
      bar.colSpan = at;
      bar.lang = "en";
      line.append(name, bar);
      if (at < total) line.insertCell().colSpan = total - at;
      by("laal").textContent = laal.toFixed(2);
      count();
    };

    const readTo = (number) => {
      for (read; read < number; read += 1) {
        source.querySelectorAll("span")[read].className = "read";
        head.cells[read + 1].className = "read";
      }
      count();
    };

    const end = ({ laal, signature, ended, note }) => {
      if (laal !== null) by("laal").textContent = laal.toFixed(2);
      by("signature").textContent = signature ?? "";
      const result = written ? "Done." : "The model wrote nothing.";
      return note ? `Cut short: ${note}` : ended ? result : `${result} The model did not end the sentence itself; a limit did.`;
    };

    return { begin, readTo, write, end };
  };

  /** The lines of an answer as they come in, each an object. */
  async function* lines(answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const whole = (rest + value).split("\n");
      rest = whole.pop();
      for (const line of whole) yield JSON.parse(line);
    }
  }

  /** Send the request; the text of the status line once it is over. */
  const translate = async (row, signal) => {
    const { experiment, system, pair, seed, setting } = row;
    const asked = { experiment, system, pair, seed, setting, text: by("text").value, pause: Number(by("pause").value) };
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch("/translate", { method: "POST", headers, body: JSON.stringify(asked), signal });
    if (!answer.ok) throw new Error((await answer.json()).error);
    const view = shown(row);
    for await (const event of lines(answer)) {
      if (event.error !== undefined) throw new Error(event.error);
      if (event.waiting) by("status").textContent = "Waiting until another translation ends.";
      else if (event.loading) by("status").textContent = "Loading the model.";
      else if (event.source) {
        by("status").textContent = "Translating.";
        view.begin(event.source, event.units);
      } else if (event.word !== undefined) view.write(event.word, event.read, event.laal);
      else if (event.read !== undefined) view.readTo(event.read);
      else if (event.end) return view.end(event.end);
    }
    throw new Error("The connection was cut before the translation ended.");
  };

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const row = choose();
    running?.abort();
    const own = (running = new AbortController());
    fail("");
    by("stop").hidden = false;
    by("status").textContent = "";
    let result = "";
    try {
      result = await translate(row, own.signal);
    } catch (error) {
      if (own.signal.aborted) result = "Stopped.";
      else fail(error instanceof TypeError ? "The server does not respond. Is scripts/stream.py still running?" : error.message);
    }
    if (own !== running) return; // another translation has begun
    running = null;
    by("stop").hidden = true;
    by("status").textContent = result;
  });
  by("stop").addEventListener("click", () => {
    running?.abort();
    by("translate").focus();
  });
  for (const kind of choices) by(kind).addEventListener("change", choose);
  by("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });

  fetch("/systems")
    .then((answer) => (answer.ok ? answer.json() : answer.json().then(({ error }) => Promise.reject(new Error(error)))))
    .then((rows) => {
      systems = rows;
      choose();
      showUnmade();
    })
    .catch((error) => fail(error.message));
})();
