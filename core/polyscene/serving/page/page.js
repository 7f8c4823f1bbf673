"use strict";
const at = (id) => document.getElementById(id);
const REACTIONS = ["click", "purchase", "skip"];

function say(text, wrong = false) {
  at("status").textContent = text;
  at("status").classList.toggle("wrong", wrong);
}

async function send(method, path, body) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (at("key").value) headers.Authorization = `Bearer ${at("key").value}`;
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) {
    const { what, where, fix, kind } = answer.error;
    const error = new Error([where && `${where}: `, what, fix && ` (${fix})`].filter(Boolean).join(""));
    error.kind = kind;
    throw error;
  }
  return answer;
}

function line(parent, name, text) {
  const element = parent.appendChild(document.createElement("span"));
  element.className = name;
  element.textContent = text;
  return element;
}

function number(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 3 });
}

function entry(list, item, elsewhere) {
  const row = list.appendChild(document.createElement("li"));
  row.dataset.item = item.item;
  line(row, elsewhere && !elsewhere.has(item.item) ? "title moved" : "title", item.title || item.item);
  if (item.score !== undefined) line(row, "score", `score ${number(item.score)}`);
  const shares = Object.entries(item.shares || {}).map(([name, share]) => `${name.replaceAll("_", " ")} ${number(share)}`);
  if (shares.length) line(row, "why", shares.join(", "));
  for (const reason of item.reasons || []) line(row, "why", reason);
  return row;
}

function buttons(row, shown, item) {
  const place = line(row, "react", "");
  for (const kind of REACTIONS) {
    const button = place.appendChild(document.createElement("button"));
    button.type = "button";
    button.textContent = kind;
    button.addEventListener("click", async () => {
      const event = { kind, scenario: shown.scenario, user: at("user").value, item: item.item };
      if (shown.impression) event.impression = shown.impression;
      try {
        await send("POST", "/v1/feedback", { events: [event] });
        say(`Kept: ${kind} of ${item.title || item.item}.`);
        await history();
      } catch (error) {
        say(error.message, true);
      }
    });
  }
}

async function history() {
  at("history").replaceChildren();
  if (!at("user").value) return;
  try {
    const had = await send("POST", "/v1/history", { scenario: at("scenario").value, user: at("user").value });
    for (const item of had.items) entry(at("history"), item);
  } catch (error) {
    line(at("history").appendChild(document.createElement("li")), "why", error.message);
  }
}

async function show() {
  const asked = { scenario: at("scenario").value, k: Number(at("k").value), explain: true };
  if (at("text").value) asked.text = at("text").value;
  if (at("user").value) asked.user = at("user").value;
  const [shown, beside] = await Promise.all([
    send("POST", "/v1/recommend", asked),
    send("POST", "/v1/beside", asked).catch((error) => {
      if (error.kind === "no_other") return null;
      throw error;
    }),
  ]);
  for (const [list, heading, found, other] of [
    ["first", "promoted", shown, beside],
    ["second", "other", beside, shown],
  ]) {
    at(list).replaceChildren();
    if (!found) continue;
    at(heading).textContent = `${list === "first" ? "Promoted" : "Beside it"}: ${found.model}`;
    const elsewhere = other && new Set(other.items.map((item) => item.item));
    for (const item of found.items) {
      const row = entry(at(list), item, elsewhere);
      if (list === "first" && asked.user) buttons(row, shown, item);
    }
  }
  at("second-section").hidden = !beside;
  document.querySelector("main").hidden = false;
  const who = asked.user ? (shown.user_known ? "A known user." : "Somebody new.") : "Nobody in particular.";
  say([who, ...shown.degraded].join(" "));
}

async function scenarios() {
  const found = await send("GET", "/v1/scenarios");
  const chosen = at("scenario").value;
  at("scenario").replaceChildren(
    ...found.map((one) => {
      const option = new Option(one.title ? `${one.name}: ${one.title}` : one.name, one.name);
      option.selected = one.name === chosen;
      return option;
    }),
  );
}

at("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  say("…");
  try {
    if (!at("scenario").options.length) await scenarios();
    await show();
    await history();
  } catch (error) {
    say(error.message, true);
  }
});
at("key").addEventListener("change", () => scenarios().catch((error) => say(error.message, true)));
scenarios().catch((error) => say(error.message, true));
