/* Draws what a page says in JSON beside a .tc-plot: lines, falls, candles; by mouse, touch and arrow keys, in both themes. */
"use strict";
(() => {
  const COLOURS = { main: "--tc-plot-main", other: "--tc-plot-other", gain: "--tc-green", loss: "--tc-red" };
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim() || "#2563eb";
  // The library knows hex and rgb alone; the theme's colours are oklch: a canvas translates them.
  const pencil = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  function plain(colour, opacity = 1) {
    pencil.clearRect(0, 0, 1, 1);
    pencil.fillStyle = colour;
    pencil.fillRect(0, 0, 1, 1);
    const [red, green, blue] = pencil.getImageData(0, 0, 1, 1).data;
    return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
  }
  const number = (value, places, unit) => `${value.toLocaleString("en-US", { minimumFractionDigits: places, maximumFractionDigits: places })} ${unit}`;
  const KINDS = { line: "LineSeries", area: "AreaSeries", histogram: "HistogramSeries", candles: "CandlestickSeries" };

  function styled(one) {
    const colour = css(COLOURS[one.colour] || COLOURS.main);
    if (one.kind === "area") return { lineColor: plain(colour), topColor: plain(colour, 0.25), bottomColor: plain(colour, 0.02), lineWidth: 2 };
    if (one.kind === "candles") {
      const up = plain(css("--tc-green")), down = plain(css("--tc-red"));
      return { upColor: up, downColor: down, wickUpColor: up, wickDownColor: down, borderVisible: false };
    }
    return { color: plain(colour), lineWidth: 2, lineStyle: one.isDashed ? 2 : 0, lineType: one.isStepped ? 1 : 0 };
  }
  const looks = () => ({
    layout: { background: { color: "transparent" }, textColor: plain(css("--tc-soft")), fontSize: 12, panes: { separatorColor: plain(css("--tc-line")) } },
    grid: { vertLines: { visible: false }, horzLines: { color: plain(css("--tc-line"), 0.7) } },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderVisible: false },
  });

  const coloured = (marks) => marks.map((mark) => ({ ...mark, color: plain(css(COLOURS[mark.colour])) }));

  function draw(box) {
    const said = JSON.parse(document.getElementById(box.dataset.plot).textContent);
    if (!said.series.some((one) => one.points.length > 1)) return;
    const legend = box.parentElement.querySelector(".tc-legend");
    const chart = LightweightCharts.createChart(box, {
      ...looks(), autoSize: true,
      crosshair: { mode: 1 },
      timeScale: { ...looks().timeScale, timeVisible: said.isWithinDay, secondsVisible: false, rightOffset: said.series.some((one) => one.markers) ? 6 : 0 },
      handleScroll: { vertTouchDrag: false, mouseWheel: false },
      handleScale: { mouseWheel: false },
    });
    const drawn = said.series.filter((one) => one.points.length).map((one) => {
      const series = chart.addSeries(LightweightCharts[KINDS[one.kind]], {
        ...styled(one), priceLineVisible: false, lastValueVisible: one.kind !== "candles",
        autoscaleInfoProvider: one.isOffScale ? () => null : undefined,
        priceFormat: { type: "custom", minMove: 10 ** -one.places, formatter: (value) => number(value, one.places, "") },
      }, one.pane || 0);
      series.setData(one.points);
      const marks = one.markers && one.markers.length && LightweightCharts.createSeriesMarkers(series, coloured(one.markers));
      const levels = (one.lines || []).map((line) => [line, series.createPriceLine({ price: line.price, color: plain(css(COLOURS[line.colour])), lineWidth: 1, lineStyle: 1, title: line.title })]);
      return { one, series, marks, levels };
    });
    chart.timeScale().fitContent();
    chart.timeScale().subscribeSizeChange(() => chart.timeScale().fitContent()); // its first size is not yet the box's
    const [below] = chart.panes().slice(1);
    if (below) below.setStretchFactor(0.45);

    const times = drawn[0].one.points.map((point) => point.time);
    const byTime = drawn.map(({ one }) => new Map(one.points.map((point) => [point.time, point])));
    const when = (time) => (typeof time === "number" ? `${new Date(time * 1000).toISOString().slice(0, 16).replace("T", " ")} market time, UTC` : time);
    const marked = (one, time) => (one.markers || []).filter((mark) => mark.time === time).map((mark) => `, ${mark.text}`).join("");
    function tell(time) {
      const parts = drawn.map(({ one }, place) => {
        const point = byTime[place].get(time);
        if (!point) return "";
        if (one.kind === "candles") return ["open", "high", "low", "close"].map((name) => `${name} ${number(point[name], one.places, "").trim()}`).join(", ") + marked(one, time);
        if (point.value === undefined) return "";
        return `${one.name} ${number(point.value, one.places, one.unit)}`;
      });
      legend.textContent = `${when(time)}: ${parts.filter(Boolean).join(" · ")}`;
    }
    let at = times.length - 1;
    tell(times[at]);
    chart.subscribeCrosshairMove((move) => {
      const time = move.time === undefined ? undefined : typeof move.time === "object" ? `${move.time.year}-${String(move.time.month).padStart(2, "0")}-${String(move.time.day).padStart(2, "0")}` : move.time;
      if (time !== undefined) tell(time);
    });
    box.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -times.length, End: times.length }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      at = Math.min(Math.max(at + step, 0), times.length - 1);
      const { one, series } = drawn[0], point = byTime[0].get(times[at]);
      chart.setCrosshairPosition(one.kind === "candles" ? point.close : point.value, times[at], series);
      tell(times[at]);
    });
    new MutationObserver(() => {
      chart.applyOptions(looks());
      for (const { one, series, marks, levels } of drawn) {
        series.applyOptions(styled(one));
        if (marks) marks.setMarkers(coloured(one.markers));
        for (const [line, level] of levels) level.applyOptions({ color: plain(css(COLOURS[line.colour])) });
      }
    }).observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });
    box.dataset.drawn = "true";
  }

  const all = () => document.querySelectorAll(".tc-plot").forEach(draw);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", all);
  else all();
})();
