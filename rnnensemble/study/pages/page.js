/* What a report's page does: tables that sort and filter, charts, networks selected in all of them.
   Every text is set as text, never as HTML. */
"use strict";
(() => {
  const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7A4B2A",
    "#5B5B9E"];
  const SCALE = ["#00224e", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838"]; // cividis
  const charts = JSON.parse(document.getElementById("data").textContent);
  const groups = {}; // the selected networks of each group, and who wants to know

  /* ---- elements ---- */
  function element(name, attributes = {}, ...inside) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...inside);
    return made;
  }
  function button(text, action) {
    const made = element("button", { type: "button" }, text);
    made.addEventListener("click", action);
    return made;
  }
  function choice(label, options, action) {
    const select = element("select");
    options.forEach((text, index) => select.append(element("option", { value: index }, text)));
    select.addEventListener("change", () => action(Number(select.value)));
    return element("label", {}, label + " ", select);
  }
  function download(name, type, text) {
    const link = element("a", { download: name });
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
  const file = (text) => text.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^_|_$/g, "") || "data";
  function csv(rows) {
    const cell = (x) => {
      const text = x === null || x === undefined ? "" : String(x);
      return /[",\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
    };
    return rows.map((row) => row.map(cell).join(",")).join("\n") + "\n";
  }
  const shown = (x) => (typeof x === "number" ? String(Number(x.toPrecision(3))) : x ?? "none");

  /* ---- networks that are selected ---- */
  function group(name) {
    groups[name] ??= { chosen: new Set(), followers: [] };
    return groups[name];
  }
  function select(name, networks, source) {
    const one = group(name);
    one.chosen = new Set(networks);
    one.followers.forEach((follow) => follow(one.chosen, source));
  }
  function toggle(name, network) {
    const chosen = new Set(group(name).chosen);
    if (!chosen.delete(network)) chosen.add(network);
    select(name, chosen);
  }

  /* ---- tables ---- */
  const numberOf = (text) => {
    const found = text.replace(/,(?=\d{3})/g, "").match(/^(?:over |under )?[^\d-]{0,2}(-?\d+(\.\d+)?(e[+-]?\d+)?)/i);
    return found ? Number(found[1]) : NaN;
  };
  function sorted(rows, column, down) {
    const value = (row) => (row.cells[column] ? row.cells[column].textContent : "");
    const texts = rows.map(value), filled = texts.filter((text) => text);
    const numeric = filled.filter((text) => !Number.isNaN(numberOf(text))).length > filled.length / 2;
    const compare = (a, b) => {
      const x = value(a), y = value(b);
      if (!x || !y) return x ? -1 : y ? 1 : 0; // what is empty comes last
      if (!numeric) return (down ? -1 : 1) * x.localeCompare(y, undefined, { numeric: true });
      const u = numberOf(x), v = numberOf(y);
      if (Number.isNaN(u) || Number.isNaN(v)) return Number.isNaN(u) - Number.isNaN(v);
      return down ? v - u : u - v;
    };
    return [...rows].sort(compare);
  }
  function makeTable(table, number) {
    const body = table.tBodies[0], heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
    const rows = [...body.rows];
    if (rows.length < 2 || !heads.length) return;
    heads.forEach((head, column) => {
      const name = head.textContent;
      head.textContent = "";
      head.append(button(name, () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        body.append(...sorted([...body.rows], column, down));
      }));
    });
    const tools = element("div", { class: "tools" }), long = rows.length > 7;
    if (long) {
      const count = element("span", { "aria-live": "polite" });
      const input = element("input", { type: "search", size: 14 });
      input.addEventListener("input", () => {
        const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
        let kept = 0;
        for (const row of rows) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every((word) => text.includes(word));
          kept += !row.hidden;
        }
        count.textContent = words.length ? kept + " of " + rows.length + " rows" : "";
      });
      tools.append(element("label", {}, "filter rows ", input), count);
    }
    const names = heads.map((head) => head.textContent);
    const title = (table.caption ? table.caption.textContent.split(".")[0] : "table " + (number + 1));
    tools.append(button("CSV", () => download(file(title).slice(0, 60) + ".csv", "text/csv", csv([names,
      ...[...body.rows].filter((row) => !row.hidden).map((row) =>
        [...row.cells].map((cell) => cell.textContent.replace(/\u00a0/g, " ")))]))));
    if (long) table.parentElement.before(tools);
    else table.parentElement.after(tools);
    if (table.dataset.group) selectable(table.dataset.group, rows, tools);
  }
  function selectable(name, rows, tools) {
    const status = element("span", { "aria-live": "polite" });
    const clear = button("clear selection", () => select(name, []));
    clear.hidden = true;
    tools.append(status, clear);
    const network = (row) => row.cells[0].textContent.trim();
    for (const row of rows) {
      row.tabIndex = 0;
      row.addEventListener("click", () => toggle(name, network(row)));
      row.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        toggle(name, network(row));
      });
    }
    group(name).followers.push((chosen) => {
      rows.forEach((row) => row.setAttribute("aria-selected", chosen.has(network(row))));
      clear.hidden = !chosen.size;
      status.textContent = chosen.size ? "selected: " + [...chosen].join(", ") : "";
    });
    status.textContent = "click a row to mark its network in every chart";
  }

  /* ---- charts ---- */
  const color = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
  const axis = (name, more = {}) => ({
    name, nameLocation: "middle", nameGap: 26, type: "value", scale: true,
    nameTextStyle: { color: color("--ink") },
    axisLabel: { color: color("--ink"), hideOverlap: true, formatter: (x) => (typeof x === "number" ? shown(x) : x) },
    axisLine: { show: true, onZero: false, lineStyle: { color: color("--open") } },
    splitLine: { show: false }, ...more,
  });
  const inner = () => ({ color: color("--ink"), hideOverlap: true, showMinLabel: false, showMaxLabel: false,
    formatter: (x) => String(shown(x)) });
  const base = (more) => ({
    animation: false, textStyle: { fontFamily: "system-ui, sans-serif", color: color("--ink") },
    grid: { left: 56, right: 16, top: 24, bottom: 44, containLabel: false }, ...more,
  });
  const tooltip = (lines) => ({
    trigger: "item", appendTo: () => document.body, extraCssText: "white-space: pre-line;",
    backgroundColor: color("--paper"), borderColor: color("--line"),
    textStyle: { color: color("--ink"), fontSize: 12 },
    formatter: (p) => { // an element, whose text is no HTML
      const text = lines(p);
      return text ? element("div", {}, text) : "";
    },
  });
  const shades = (low, high, place = {}) => ({
    type: "continuous", min: low, max: high, calculable: true, inRange: { color: SCALE },
    textStyle: { color: color("--ink") }, formatter: (x) => String(shown(x)),
    orient: "horizontal", left: "center", bottom: 0, itemHeight: 120, itemWidth: 12, ...place,
  });
  const describe = (columns, cells) => columns.map((name, i) => name + ": " + shown(cells[i])).join("\n");
  function range(values) {
    const found = values.filter((x) => typeof x === "number");
    return [Math.min(...found), Math.max(...found)];
  }
  /* A panel of its own: where a chart is drawn, again whenever what it shows changes. */
  function panel(parent, title, label, draw, { canvas = false, height } = {}) {
    const place = element("div", { class: "canvas", role: "img", tabindex: 0, "aria-label": label });
    if (height) place.style.setProperty("--height", height);
    const around = element("div", { class: "panel" });
    if (title) around.append(element("p", {}, title));
    around.append(place);
    parent.append(around);
    const drawn = echarts.init(place, null, { renderer: canvas ? "canvas" : "svg" });
    const again = () => drawn.setOption(draw(), true);
    again();
    new ResizeObserver(() => drawn.resize()).observe(place);
    redraw.push(again);
    return { drawn, again, title: title || label };
  }
  const redraw = [];
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw.forEach((f) => f()));

  const kinds = {
    /* Networks in two dimensions, a panel for each measure; selection is shared. */
    maps(data, figure) {
      const one = group(data.group);
      let by = 0;
      const numeric = data.columns.map((_, i) => data.cells.every((row) => row[i] === null || typeof row[i] === "number"));
      figure.tools.append(choice("color by", data.columns, (index) => { by = index; figure.again(); }));
      const panels = element("div", { class: "panels" });
      figure.drawn.append(panels);
      for (const each of data.panels) {
        const made = panel(panels, each.title, each.title + ": map of the networks", () => {
          const values = data.cells.map((row) => row[by]), [low, high] = range(values);
          const words = [...new Set(values.map(String))].sort();
          const reach = 1.15 * Math.max(...each.xy.flat().filter((x) => x !== null).map(Math.abs), 1e-12);
          const points = each.xy.map(([x, y], k) => ({
            value: [x, y, numeric[by] ? values[k] : words.indexOf(String(values[k]))], name: data.networks[k],
            itemStyle: { opacity: !one.chosen.size || one.chosen.has(data.networks[k]) ? 0.95 : 0.15,
              borderColor: one.chosen.has(data.networks[k]) ? color("--ink") : color("--open"),
              borderWidth: one.chosen.has(data.networks[k]) ? 2 : 0.5,
              ...(numeric[by] ? {} : { color: COLORS[words.indexOf(String(values[k])) % COLORS.length] }) },
          })).filter((point) => point.value[0] !== null);
          return base({
            tooltip: tooltip((p) => describe(data.columns, data.cells[data.networks.indexOf(p.name)])),
            toolbox: { show: true, right: 0, top: -6, itemSize: 12, feature: {} },
            brush: { toolbox: ["rect", "polygon", "clear"], throttleType: "debounce", throttleDelay: 120,
              outOfBrush: { colorAlpha: 0.15 }, xAxisIndex: 0 },
            grid: { left: 50, right: 14, top: 22, bottom: numeric[by] && high > low ? 88 : 40 },
            xAxis: axis("MDS 1 (" + each.unit + ")", { min: -reach, max: reach, nameGap: 22, axisLabel: inner() }),
            yAxis: axis("MDS 2", { min: -reach, max: reach, nameGap: 36, axisLabel: inner() }),
            ...(numeric[by] && high > low ? { visualMap: shades(low, high, { dimension: 2, seriesIndex: 0 }) } : {}),
            series: [{ type: "scatter", symbolSize: 11, data: points, itemStyle: { color: COLORS[0] },
              emphasis: { scale: 1.6, itemStyle: { borderColor: color("--ink"), borderWidth: 2 } } },
              ...(each.null > 0 ? [{ type: "line", data: [[-reach * 0.95, -reach * 0.9], [-reach * 0.95 + each.null, -reach * 0.9]],
                symbol: "none", silent: true, lineStyle: { color: color("--open"), width: 3 },
                markPoint: { silent: true, symbol: "rect", symbolSize: 0.1, data: [{ coord: [-reach * 0.95, -reach * 0.9],
                  label: { show: true, formatter: "its null", position: "top", align: "left", color: color("--open"), fontSize: 10 } }] } }] : [])],
          });
        }, { height: "20rem" });
        made.drawn.on("click", (event) => event.name && toggle(data.group, event.name));
        made.drawn.on("brushEnd", (event) => {
          const model = made.drawn;
          const inside = new Set();
          const within = (point) => event.areas.some((area) => area.brushType === "rect"
            ? point[0] >= area.range[0][0] && point[0] <= area.range[0][1] && point[1] >= area.range[1][0] && point[1] <= area.range[1][1]
            : crosses(point, area.range));
          each.xy.forEach((xy, k) => {
            if (xy[0] !== null && within(model.convertToPixel("grid", xy))) inside.add(data.networks[k]);
          });
          select(data.group, inside);
        });
        made.drawn.on("mouseover", (event) => event.name && linked(data.group, event.name, true));
        made.drawn.on("mouseout", (event) => event.name && linked(data.group, event.name, false));
        one.followers.push(() => made.again());
        (one.maps ??= []).push(made.drawn);
        figure.panels.push(made);
      }
      figure.rows = () => [["network", ...data.columns, ...data.panels.flatMap((x) => [x.title + " x", x.title + " y"])],
        ...data.networks.map((name, k) => [name, ...data.cells[k], ...data.panels.flatMap((x) => x.xy[k])])];
    },

    /* A line for each network. */
    curves(data, figure) {
      const one = group(data.group), tint = { converged: COLORS[0], stopped: "#8a8a8a", diverged: COLORS[1] };
      const made = panel(figure.drawn, "", data.title, () => base({
        tooltip: tooltip((p) => (p.seriesName ? "network " + p.seriesName + "\n" + data.xname + " " + shown(p.value[0]) + "\n" + data.yname + " " + shown(p.value[1]) : "")),
        grid: { left: 64, right: 20, top: 16, bottom: 70 },
        dataZoom: [{ type: "inside", filterMode: "none" }, { type: "slider", height: 14, bottom: 4, filterMode: "none", textStyle: { color: color("--ink") } }],
        xAxis: axis(data.xname, { min: "dataMin", max: "dataMax" }),
        yAxis: axis(data.yname, { type: data.log ? "log" : "value", nameGap: 48 }),
        series: data.networks.map((name, k) => ({
          type: "line", name, showSymbol: data.x[k].length === 1, symbolSize: 5, triggerLineEvent: true,
          data: data.x[k].map((x, i) => [x, data.y[k][i]]), endLabel: { show: false },
          lineStyle: { width: one.chosen.has(name) ? 3 : 1.2, opacity: !one.chosen.size || one.chosen.has(name) ? 0.85 : 0.12 },
          itemStyle: { color: tint[data.states[k]] ?? COLORS[0] }, emphasis: { focus: "series", lineStyle: { width: 3 } },
        })).concat(data.threshold === null ? [] : [{ type: "line", silent: true, symbol: "none", tooltip: { show: false },
          data: [[1, data.threshold], [Math.max(...data.x.flat()), data.threshold]], color: color("--ink"), lineStyle: { type: "dashed", width: 1 },
          endLabel: { show: true, formatter: "goal", color: color("--ink"), offset: [-34, -8] } }]),
      }), { height: "22rem" });
      made.drawn.on("click", (event) => event.seriesName && toggle(data.group, event.seriesName));
      made.drawn.on("mouseover", (event) => event.seriesName && linked(data.group, event.seriesName, true));
      made.drawn.on("mouseout", (event) => event.seriesName && linked(data.group, event.seriesName, false));
      one.followers.push(() => made.again());
      figure.panels.push(made);
      figure.rows = () => [["network", data.xname, data.yname],
        ...data.networks.flatMap((name, k) => data.x[k].map((x, i) => [name, x, data.y[k][i]]))];
    },

    /* Distances of all pairs, rows in an order of choice. */
    matrix(data, figure) {
      const one = group(data.group), names = Object.keys(data.orders);
      let which = 0, order = 0;
      if (data.matrices.length > 1) figure.tools.append(choice("measure", data.matrices.map((x) => x.title), (i) => { which = i; figure.again(); }));
      if (names.length > 1) figure.tools.append(choice("rows in order of", names, (i) => { order = i; figure.again(); }));
      const count = data.networks.length, at = (values, a, b) => (a === b ? null : values[a][b] ?? values[b][a] ?? null);
      const made = panel(figure.drawn, "", data.title, () => {
        const chosen = data.matrices[which], places = chosen.order && order === 0 ? chosen.order : data.orders[names[order]];
        const labels = places.map((k) => data.networks[k]), cells = [];
        places.forEach((a, i) => places.forEach((b, j) => {
          const value = at(chosen.values, a, b);
          if (a === b || value === null) return;
          const dim = one.chosen.size && !(one.chosen.has(data.networks[a]) && one.chosen.has(data.networks[b]));
          cells.push({ value: [j, i, value], ...(dim ? { itemStyle: { opacity: 0.25 } } : {}) });
        }));
        const [low, high] = range(cells.map((cell) => cell.value[2]));
        const labelled = { axisLabel: { color: color("--ink"), interval: "auto", hideOverlap: true, fontSize: count > 24 ? 8 : 10 }, splitArea: { show: false }, axisTick: { show: false } };
        return base({
          tooltip: tooltip((p) => "networks " + labels[p.value[1]] + " and " + labels[p.value[0]] + "\n" + chosen.title + ": " + shown(p.value[2])),
          grid: { left: 56, right: 16, top: 10, bottom: 86 },
          xAxis: axis("network", { type: "category", data: labels, ...labelled }),
          yAxis: axis("network", { type: "category", data: labels, inverse: true, nameGap: 36, ...labelled }),
          visualMap: shades(low, high > low ? high : low + 1e-12, { text: [chosen.unit + " " + shown(high), shown(low)] }),
          series: [{ type: "heatmap", data: cells, emphasis: { itemStyle: { borderColor: color("--ink"), borderWidth: 2 } } }],
        });
      }, { canvas: count > 60, height: "min(30rem, 100vw)" });
      made.drawn.on("click", (event) => {
        if (!event.value) return;
        const places = data.matrices[which].order && order === 0 ? data.matrices[which].order : data.orders[names[order]];
        select(data.group, [data.networks[places[event.value[0]]], data.networks[places[event.value[1]]]]);
      });
      one.followers.push(() => made.again());
      figure.panels.push(made);
      figure.rows = () => [["measure", "network", ...data.networks], ...data.matrices.flatMap((x) => data.networks.map((name, a) => [x.title, name, ...data.networks.map((_, b) => at(x.values, a, b))]))];
    },

    /* A measure along a factor, a line for each task, with intervals and nulls. */
    levels(data, figure) {
      let which = 0;
      if (data.measures.length > 1) figure.tools.append(choice("measure", data.measures.map((x) => x.title), (i) => { which = i; figure.again(); }));
      let logarithmic = false;
      const box = element("input", { type: "checkbox" });
      box.addEventListener("change", () => { logarithmic = box.checked; figure.again(); });
      figure.tools.append(element("label", {}, box, " logarithmic"));
      const made = panel(figure.drawn, "", data.title, () => {
        const measure = data.measures[which], series = [];
        measure.series.forEach((line, s) => {
          const tint = COLORS[s % COLORS.length], points = line.points.filter((p) => p.value !== null);
          series.push({ type: "line", name: line.name, color: tint, symbol: (v, p) => (p.data.point.measurable === false ? "emptyCircle" : "circle"), symbolSize: 9,
            lineStyle: { width: data.joined ? 2 : 0 }, data: points.map((point) => ({ value: [point.x, point.value], point })) });
          series.push({ type: "custom", name: line.name, silent: true, color: tint, tooltip: { show: false },
            encode: { x: 0, y: [1, 2] }, clip: true,
            data: points.filter((p) => p.low !== null && p.high !== null && (!logarithmic || p.low > 0)).map((p) => [p.x, p.low, p.high]),
            renderItem: (_, api) => {
              const low = api.coord([api.value(0), api.value(1)]), high = api.coord([api.value(0), api.value(2)]);
              const bar = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: tint, lineWidth: 1.3 } });
              return { type: "group", children: [bar(low[0], low[1], high[0], high[1]), bar(low[0] - 4, low[1], low[0] + 4, low[1]), bar(high[0] - 4, high[1], high[0] + 4, high[1])] };
            } });
          const nulls = points.filter((p) => p.null !== null && p.null !== undefined && (!logarithmic || p.null > 0));
          if (nulls.length) series.push({ type: "line", name: line.name, color: tint, symbol: "none", silent: true,
            lineStyle: { type: [2, 4], width: data.joined ? 2 : 0 }, ...(data.joined ? {} : { symbol: "diamond", symbolSize: 7, itemStyle: { opacity: 0.5 } }),
            tooltip: { show: false }, data: nulls.map((p) => [p.x, p.null]) });
        });
        const ticks = [...new Map(measure.series.flatMap((line) => line.points.map((p) => [p.x, p.label]))).entries()].sort((a, b) => a[0] - b[0]);
        const labels = new Map(ticks), places = ticks.map(([x]) => x), edge = 0.06 * (places[places.length - 1] - places[0] || 1);
        const all = measure.series.flatMap((line) => line.points), top = Math.max(...all.map((p) => Math.max(p.value ?? 0, p.null ?? 0)));
        const reach = Math.min(Math.max(top, ...all.map((p) => p.high ?? 0)) * 1.06, 4 * top); // wider intervals are cut
        return base({
          tooltip: tooltip((p) => {
            const point = p.data.point;
            return point ? [p.seriesName + ", " + data.xname + " " + point.label, measure.title + " " + point.text, ...(point.notes ?? [])].join("\n") : "";
          }),
          legend: { type: "scroll", top: 0, textStyle: { color: color("--ink") }, data: measure.series.map((x) => x.name) },
          grid: { left: 70, right: 20, top: 34, bottom: 56 },
          xAxis: axis(data.xname, { min: places[0] - edge, max: places[places.length - 1] + edge, nameGap: 30,
            axisLabel: { color: color("--ink"), hideOverlap: true, customValues: places, formatter: (x) => labels.get(x) ?? "" },
            axisTick: { customValues: places } }),
          yAxis: axis(measure.axis, { type: logarithmic ? "log" : "value", scale: logarithmic, min: logarithmic ? undefined : 0, max: reach, nameGap: 52,
            axisLabel: { ...inner(), showMinLabel: true } }),
          series,
        });
      }, { height: "24rem" });
      made.drawn.on("click", (event) => {
        const place = event.data && event.data.point && event.data.point.link;
        if (place) open("#" + place);
      });
      figure.panels.push(made);
      figure.rows = () => [["measure", "series", data.xname, "value", "low", "high", "null"], ...data.measures.flatMap((m) =>
        m.series.flatMap((line) => line.points.map((p) => [m.title, line.name, p.label, p.value, p.low, p.high, p.null])))];
    },

    /* Colored cells over two factors, or two settings. */
    cells(data, figure) {
      let which = 0;
      if (data.measures.length > 1) figure.tools.append(choice("measure", data.measures.map((x) => x.title), (i) => { which = i; figure.again(); }));
      const made = panel(figure.drawn, "", data.title, () => {
        const measure = data.measures[which], [low, high] = range(measure.cells.map((cell) => cell.value));
        return base({
          tooltip: tooltip((p) => [data.xname + " " + data.xs[p.value[0]], data.yname + " " + data.ys[p.value[1]], measure.title + " " + p.data.text, ...(p.data.notes ?? [])].join("\n")),
          grid: { left: 76, right: 16, top: 10, bottom: 92 },
          xAxis: axis(data.xname, { type: "category", data: data.xs, axisTick: { show: false } }),
          yAxis: axis(data.yname, { type: "category", data: data.ys, nameGap: 56, axisTick: { show: false } }),
          visualMap: shades(low, high > low ? high : low + 1e-12),
          series: [{ type: "heatmap", label: { show: data.xs.length <= 12, formatter: (p) => (p.data.open ? "×" : "") + shown(p.value[2]), fontSize: 10 },
            data: measure.cells.filter((cell) => cell.value !== null).map((cell) => ({ ...cell, value: [cell.x, cell.y, cell.value] })) }],
        });
      }, { height: "22rem" });
      made.drawn.on("click", (event) => event.data && event.data.link && open("#" + event.data.link));
      figure.panels.push(made);
      figure.rows = () => [["measure", data.xname, data.yname, "value"], ...data.measures.flatMap((m) => m.cells.map((c) => [m.title, data.xs[c.x], data.ys[c.y], c.value]))];
    },

    /* One number of each network against another, or by group. */
    scatter(data, figure) {
      const one = group(data.group);
      let [across, up] = data.start;
      const first = ["group", ...data.columns];
      const menus = [choice("across", first, (i) => { across = i - 1; figure.again(); }), choice("up", data.columns, (i) => { up = i; figure.again(); })];
      menus[0].querySelector("select").value = across + 1;
      menus[1].querySelector("select").value = up;
      figure.tools.append(...menus);
      const names = [...new Set(data.groups)];
      const made = panel(figure.drawn, "", data.title, () => base({
        tooltip: tooltip((p) => data.networks[p.data.k] + "\n" + describe(data.columns, data.cells[p.data.k])),
        legend: { top: 0, textStyle: { color: color("--ink") } },
        grid: { left: 70, right: 20, top: 34, bottom: 50 },
        xAxis: across < 0 ? axis("", { type: "category", data: names, min: undefined }) : axis(data.columns[across]),
        yAxis: axis(data.columns[up], { nameGap: 52 }),
        series: names.map((name, g) => ({
          type: "scatter", name, color: COLORS[g % COLORS.length], symbolSize: 9,
          data: data.cells.map((row, k) => ({ k, name: data.networks[k], value: [across < 0 ? name : row[across], row[up]],
            symbolOffset: across < 0 ? [((k * 7) % 11 - 5) * 5, 0] : [0, 0],
            itemStyle: { opacity: !one.chosen.size || one.chosen.has(data.networks[k]) ? 0.85 : 0.12 } })).filter((p) => data.groups[p.k] === name),
        })),
      }), { height: "24rem" });
      made.drawn.on("click", (event) => event.data && toggle(data.group, data.networks[event.data.k]));
      one.followers.push(() => made.again());
      figure.panels.push(made);
      figure.rows = () => [["network", "group", ...data.columns], ...data.networks.map((name, k) => [name, data.groups[k], ...data.cells[k]])];
    },

    /* A trial: inputs, and targets with outputs, by time step. */
    trials(data, figure) {
      let which = 0;
      figure.tools.append(choice("trial", data.trials.map((_, i) => String(i + 1)), (i) => { which = i; figure.again(); }));
      const panels = element("div", { class: "panels" });
      panels.style.setProperty("--least", "24rem");
      figure.drawn.append(panels);
      const gap = (values) => { // channels stand below each other
        const [low, high] = range(values.flat());
        return values[0].length > 1 ? 1.25 * (high - low || 1) : 0;
      };
      const lines = (values, name, apart, style, more = {}) => values[0].map((_, channel) => ({
        type: "line", name: name + (values[0].length > 1 ? " " + (channel + 1) : ""), symbol: "none", color: COLORS[channel % COLORS.length],
        data: values.map((row, step) => [step, row[channel] === null ? null : row[channel] - apart * channel, row[channel]]), lineStyle: { width: 1.5, ...style }, ...more }));
      const options = (series, apart) => base({
        tooltip: { ...tooltip((ps) => ["time step " + ps[0].value[0], ...ps.map((p) => p.seriesName + " " + shown(p.value[2]))].join("\n")), trigger: "axis" },
        xAxis: axis("time step", { min: "dataMin", max: "dataMax" }), yAxis: axis("", apart ? { axisLabel: { show: false }, axisTick: { show: false } } : {}), series });
      figure.panels.push(panel(panels, "inputs", "inputs of a trial", () => {
        const trial = data.trials[which], apart = gap(trial.inputs);
        return options(lines(trial.inputs, "input", apart, {}, { step: "end" }), apart);
      }));
      figure.panels.push(panel(panels, "targets (dashed) and outputs of network " + data.network, "targets and outputs of a trial", () => {
        const trial = data.trials[which], apart = gap(trial.outputs);
        return options([...lines(trial.outputs, "output", apart, {}), ...lines(trial.targets, "target", apart, { type: "dashed", width: 1, color: color("--ink") })], apart);
      }));
      figure.rows = () => [["trial", "step", "kind", "channel", "value"], ...data.trials.flatMap((trial, t) => ["inputs", "targets", "outputs"].flatMap((kind) =>
        trial[kind].flatMap((row, step) => row.map((value, channel) => [t + 1, step, kind, channel + 1, value]))))];
    },
  };
  function crosses([x, y], corners) {
    let inside = false;
    corners.forEach(([x1, y1], i) => {
      const [x2, y2] = corners[(i + corners.length - 1) % corners.length];
      if ((y1 > y) !== (y2 > y) && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
    });
    return inside;
  }
  function linked(name, network, on) {
    for (const chart of group(name).maps ?? []) chart.dispatchAction({ type: on ? "highlight" : "downplay", seriesIndex: 0, name: network });
  }
  function makeChart(figure) {
    if (figure.dataset.drawn) return;
    figure.dataset.drawn = "yes";
    const data = charts[Number(figure.dataset.chart)], picture = figure.querySelector(".picture");
    const one = { tools: element("div", { class: "tools" }), drawn: element("div", { class: "drawn" }), panels: [],
      again: () => one.panels.forEach((each) => each.again()) };
    figure.prepend(one.tools, one.drawn);
    kinds[data.kind](data, one);
    const name = file(data.title || data.kind);
    one.tools.append(button("CSV", () => download(name + ".csv", "text/csv", csv(one.rows()))),
      button("SVG", () => one.panels.forEach((each, i) => {
        const svg = each.drawn.getDom().querySelector("svg");
        if (svg) download(name + (i ? "_" + (i + 1) : "") + ".svg", "image/svg+xml", new XMLSerializer().serializeToString(svg));
        else {
          const link = element("a", { download: name + ".png", href: each.drawn.getDataURL({ pixelRatio: 2 }) });
          link.click();
        }
      })));
    if (picture) {
      picture.hidden = true;
      const swap = button("show the picture", () => {
        picture.hidden = !picture.hidden;
        one.drawn.hidden = !picture.hidden;
        swap.textContent = picture.hidden ? "show the picture" : "show the chart";
      });
      one.tools.append(swap);
    }
  }

  /* ---- the page ---- */
  function open(address) {
    const target = document.getElementById(decodeURIComponent(address.slice(1)));
    if (!target) return;
    for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    history.replaceState(null, "", address);
    target.scrollIntoView();
    (target.querySelector("summary") ?? target).focus?.({ preventScroll: true });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#"]');
    if (!link || link.className === "skip") return;
    event.preventDefault();
    event.stopPropagation();
    open(link.getAttribute("href"));
  }, true);
  document.querySelectorAll("main table").forEach(makeTable);
  const seen = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (entry.isIntersecting) { seen.unobserve(entry.target); makeChart(entry.target); }
  }), { rootMargin: "400px" });
  document.querySelectorAll("figure.chart").forEach((figure) => seen.observe(figure));
  if (location.hash) open(location.hash);
  addEventListener("hashchange", () => open(location.hash));
  const narrow = matchMedia("(max-width: 69rem)").matches;
  if (narrow) document.querySelector("nav details").open = false;
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((each) => { each.open = true; });
  });
  document.documentElement.dataset.ready = "yes";
})();
