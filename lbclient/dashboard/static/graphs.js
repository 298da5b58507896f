"use strict";
// Graphs of a load balancer's traffic: the counters of the server, taken every two seconds.
(() => {
  const INTERVAL = 2000; // ms
  const KEPT = 150; // samples: five minutes
  const place = document.querySelector("[data-samples]");
  if (!place) return;

  const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const GRAPHS = {
    requests: [["requests", "--accent", (a, b, s) => (b.requests - a.requests) / s],
               ["errors", "--bad", (a, b, s) => (b.request_errors - a.request_errors) / s]],
    response: [["ms", "--accent", (a, b) => b.response_milliseconds]],
    active: [["open", "--accent", (a, b) => b.active_connections]],
    bytes: [["in", "--good", (a, b, s) => (b.bytes_in - a.bytes_in) / s / 1000],
            ["out", "--accent", (a, b, s) => (b.bytes_out - a.bytes_out) / s / 1000]],
  };
  let last = null;
  const graphs = Object.entries(GRAPHS).map(([name, lines]) => {
    const at = place.querySelector(`[data-graph="${name}"]`);
    const data = [[], ...lines.map(() => [])];
    const axis = () => ({ stroke: css("--muted"), grid: { stroke: css("--line"), width: 1 }, ticks: { show: false } });
    const plot = new uPlot({
      width: at.clientWidth, height: 150, padding: [null, 32, null, null], legend: { show: false }, cursor: { show: false },
      series: [{}, ...lines.map(([label, colour]) => ({ label, stroke: css(colour), width: 2, points: { show: false } }))],
      scales: { y: { range: (u, low, high) => [0, Math.max(1, high * 1.15)] } },
      axes: [{ ...axis(), space: 70, size: 26, values: (u, times) => times.map(u.data[0].length ? clock : () => "") }, { ...axis(), size: 44 }],
    }, data, at);
    new ResizeObserver(() => plot.setSize({ width: at.clientWidth, height: 150 })).observe(at);
    return { name, lines, data, plot, now: place.querySelector(`[data-now="${name}"]`), at };
  });

  const words = (value) => value === null ? "–" : value >= 10 || Number.isInteger(value) ? Math.round(value).toLocaleString("en") : value.toFixed(1);

  function add(sample) {
    if (last && sample.at > last.at && sample.requests >= last.requests) {
      const seconds = sample.at - last.at;
      for (const graph of graphs) {
        graph.data[0].push(sample.at);
        const said = graph.lines.map(([label, , value], number) => {
          const found = value(last, sample, seconds);
          graph.data[number + 1].push(found);
          return graph.lines.length > 1 ? `${words(found)} ${label}` : words(found);
        });
        if (graph.data[0].length > KEPT) graph.data.forEach((each) => each.shift());
        graph.plot.setData(graph.data);
        graph.now.textContent = said.join(", ");
      }
    }
    last = sample;
  }

  async function look() {
    if (!document.hidden) {
      try {
        const answer = await fetch(place.dataset.samples, { headers: { "HX-Request": "true" } });
        if (answer.ok && (answer.headers.get("content-type") || "").includes("json")) add(await answer.json());
      } catch { /* the server does not answer: the next look may find it again */ }
    }
    setTimeout(look, INTERVAL);
  }
  look();
})();
