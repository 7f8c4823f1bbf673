"use strict";
// The experiments that run: a table of arms and the course of each change, brought up to date while it is looked at.
const REFRESH_MS = 5000;
const WIDTH = 640, HEIGHT = 180, LEFT = 56, BOTTOM = 24, TOP = 8;

function element(parent, name, text, attributes = {}) {
  const made = parent.appendChild(document.createElement(name));
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function signed(value) {
  return value === null ? "" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;
}

function interval(change) {
  if (!change || change.estimate === null) return "";
  return change.low === null ? `${signed(change.estimate)}, too few users` : `${signed(change.estimate)} (${signed(change.low)} to ${signed(change.high)})`;
}

function drawn(parent, name, attributes, text) {
  const made = parent.appendChild(document.createElementNS("http://www.w3.org/2000/svg", name));
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function chart(parent, arms) {
  const known = arms.map((arm) => ({ arm, looks: arm.course.filter((look) => look.low !== null) })).filter((one) => one.looks.length > 1);
  if (!known.length) return;
  const looks = known.flatMap((one) => one.looks);
  const users = looks.map((look) => look.users), bounds = looks.flatMap((look) => [look.low, look.high, 0]);
  const [first, last, low, high] = [Math.min(...users), Math.max(...users), Math.min(...bounds), Math.max(...bounds)];
  const x = (value) => LEFT + ((value - first) / Math.max(1, last - first)) * (WIDTH - LEFT - 8);
  const y = (value) => TOP + ((high - value) / Math.max(1e-9, high - low)) * (HEIGHT - TOP - BOTTOM);
  const figure = element(parent, "figure");
  const svg = drawn(figure, "svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  drawn(svg, "title", {}, "Change from the control over users, with bounds that hold at all looks");
  drawn(svg, "line", { x1: LEFT, x2: WIDTH - 8, y1: y(0), y2: y(0), class: "zero" });
  known.forEach(({ arm, looks: own }, number) => {
    const above = own.map((look) => `${x(look.users)},${y(look.high)}`), below = own.map((look) => `${x(look.users)},${y(look.low)}`);
    const group = drawn(svg, "g", { class: `series-${number % 4}`, "data-arm": arm.arm });
    drawn(group, "polygon", { points: [...above, ...below.reverse()].join(" ") });
    drawn(group, "polyline", { points: own.map((look) => `${x(look.users)},${y(look.estimate)}`).join(" ") });
    drawn(group, "text", { x: LEFT + 8, y: TOP + 12 + 15 * number }, arm.arm);
  });
  for (const value of [low, 0, high]) drawn(svg, "text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(3));
  drawn(svg, "text", { x: LEFT, y: HEIGHT - 6 }, `${first.toLocaleString("en")} users`);
  drawn(svg, "text", { x: WIDTH - 8, y: HEIGHT - 6, "text-anchor": "end" }, `${last.toLocaleString("en")} users`);
}

function told(parent, one) {
  const section = element(parent, "section", undefined, { "data-experiment": one.name, "aria-label": `Experiment ${one.name}` });
  element(section, "h2", `Experiment ${one.name}`);
  if (one.problem) element(section, "p", `Nothing can be said: ${one.problem}.`, { class: "why" });
  const table = element(section, "table"), head = element(element(table, "thead"), "tr");
  for (const title of ["arm", "users", "counted", "lists", `${one.reward} per list`, "against control", "decision"]) element(head, "th", title, { scope: "col" });
  const body = element(table, "tbody");
  for (const arm of one.arms) {
    const row = element(body, "tr");
    const serves = [arm.policy, arm.version].filter(Boolean).join(", ");
    const name = element(row, "th", arm.arm, { scope: "row" });
    if (serves) element(name, "span", serves, { class: "why" });
    const rate = arm.rates[one.reward];
    for (const text of [arm.users, arm.counted, arm.lists].map((count) => count.toLocaleString("en"))) element(row, "td", text);
    element(row, "td", rate === undefined || rate === null ? "" : rate.toFixed(4));
    element(row, "td", interval(arm.changes[one.reward]));
    element(row, "td", arm.decision);
  }
  const ratio = one.ratio === null ? "" : `Sample ratio: p = ${one.ratio.toPrecision(3)}, invalid below 0.001 at any look. `;
  const moved = one.moved ? `${one.moved.toLocaleString("en")} users were seen in several arms and are left out. ` : "";
  element(section, "p", `${ratio}${moved}All intervals hold at all looks with probability ${1 - one.level}; each user is observed for ${one.window}.`, { class: "why" });
  chart(section, one.arms);
}

let refused = false;

async function experiments() {
  const place = document.createDocumentFragment();
  refused = false;
  try {
    for (const one of await send("GET", "/v1/experiments")) told(place, one);
  } catch (error) {
    // Who may not see them is not asked again and again.
    refused = ["no_key", "wrong_key", "scope"].includes(error.kind);
    if (!refused) element(place, "p", `Experiments cannot be shown: ${error.message}`, { class: "why" });
  }
  at("experiments").replaceChildren(place);
}

at("key").addEventListener("change", experiments);
setInterval(() => refused || document.hidden || experiments(), REFRESH_MS);
experiments();
