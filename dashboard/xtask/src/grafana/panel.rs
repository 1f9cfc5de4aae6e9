//! A panel: its queries, its unit, and how it looks.

use serde_json::{Map, Value, json};

/// Colours by their meaning, from Grafana's own palette, so that they follow its themes.
pub(super) const GOOD: &str = "green";
pub(super) const WARN: &str = "orange";
pub(super) const BAD: &str = "red";
pub(super) const QUIET: &str = "blue";

/// What stands in a table in place of a label's name.
const WORDS: &[(&str, &str)] = &[
    ("job", "service"),
    ("poolscope_client_name", "client"),
    ("url_scheme", "scheme"),
    ("server_address", "server"),
    ("server_port", "port"),
    ("poolscope_breaker_name", "breaker"),
    ("poolscope_retry_name", "policy"),
    ("poolscope_timeout_name", "timeout"),
    ("poolscope_session_name", "sessions"),
];

/// A panel that is being described.
pub(super) struct Panel {
    kind: &'static str,
    title: &'static str,
    description: &'static str,
    width: u32,
    height: u32,
    targets: Vec<Value>,
    defaults: Map<String, Value>,
    custom: Map<String, Value>,
    overrides: Vec<Value>,
    options: Value,
    transformations: Vec<Value>,
}

impl Panel {
    fn new(kind: &'static str, title: &'static str, description: &'static str) -> Self {
        Self {
            kind,
            title,
            description,
            width: 8,
            height: 8,
            targets: Vec::new(),
            defaults: Map::new(),
            custom: Map::new(),
            overrides: Vec::new(),
            options: json!({}),
            transformations: Vec::new(),
        }
    }

    /// Lines over time. All panels of a board share the cursor; zero is on the axis.
    pub(super) fn series(title: &'static str, description: &'static str, unit: &str) -> Self {
        let mut panel = Self::new("timeseries", title, description).unit(unit);
        panel.custom = object(json!({
            "lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": false, "axisSoftMin": 0,
        }));
        panel.options = json!({
            "legend": { "displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"], "sortBy": "Max", "sortDesc": true },
            "tooltip": { "mode": "multi", "sort": "desc" },
        });
        panel
    }

    /// One figure, with its past behind it.
    pub(super) fn stat(title: &'static str, description: &'static str, unit: &str) -> Self {
        let mut panel = Self::new("stat", title, description).unit(unit).size(3, 4);
        panel.options = json!({
            "colorMode": "value", "graphMode": "area", "justifyMode": "auto", "orientation": "auto", "textMode": "value",
            "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
        });
        panel.defaults.insert("noValue".to_owned(), json!("none"));
        panel
    }

    /// One row for each set of labels; columns by [`Panel::column`].
    pub(super) fn table(title: &'static str, description: &'static str) -> Self {
        let mut panel = Self::new("table", title, description).size(24, 10);
        panel.custom =
            object(json!({ "align": "auto", "filterable": true, "cellOptions": { "type": "auto" } }));
        panel.options = json!({ "showHeader": true, "cellHeight": "sm" });
        panel
    }

    /// States over time, one row for each legend.
    pub(super) fn timeline(title: &'static str, description: &'static str, states: &[(&str, &str)]) -> Self {
        let mut panel = Self::new("state-timeline", title, description).size(24, 8);
        panel.custom = object(json!({ "lineWidth": 0, "fillOpacity": 75 }));
        panel.options = json!({
            "mergeValues": true, "showValue": "auto", "alignValue": "left", "rowHeight": 0.85,
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
            "tooltip": { "mode": "single", "sort": "none" },
        });
        panel.states(states)
    }

    /// How many observations fell into which bucket, over time.
    pub(super) fn heatmap(title: &'static str, description: &'static str, unit: &str, expr: &str) -> Self {
        let mut panel = Self::new("heatmap", title, description);
        panel.options = json!({
            "calculate": false, "cellGap": 1,
            "color": { "mode": "scheme", "scheme": "Oranges", "exponent": 0.5, "steps": 64, "reverse": false, "fill": "dark-orange" },
            "yAxis": { "axisPlacement": "left", "reverse": false, "unit": unit },
            "rowsFrame": { "layout": "auto" },
            "filterValues": { "le": 1e-9 },
            "legend": { "show": false }, "exemplars": { "color": "rgba(255,0,255,0.7)" },
            "tooltip": { "mode": "single", "yHistogram": false, "showColorScale": false },
        });
        panel.push(expr, "{{le}}", &[("format", json!("heatmap")), ("exemplar", json!(true))]);
        panel
    }

    pub(super) fn size(mut self, width: u32, height: u32) -> Self {
        (self.width, self.height) = (width, height);
        self
    }

    pub(super) fn width(&self) -> u32 {
        self.width
    }

    pub(super) fn height(&self) -> u32 {
        self.height
    }

    fn unit(mut self, unit: &str) -> Self {
        self.defaults.insert("unit".to_owned(), json!(unit));
        self
    }

    /// A query over the range of time; `{{label}}` in the legend stands for a label.
    pub(super) fn query(mut self, expr: &str, legend: &str) -> Self {
        self.push(expr, legend, &[("range", json!(true))]);
        self
    }

    /// The p50, p90 and p99 of a histogram that `selector` names, each as one line, with exemplars.
    pub(super) fn percentiles(mut self, selector: &str) -> Self {
        for (quantile, legend) in [("0.5", "p50"), ("0.9", "p90"), ("0.99", "p99")] {
            let expr =
                format!("histogram_quantile({quantile}, sum by (le) (rate({selector}[$__rate_interval])))");
            self.push(&expr, legend, &[("range", json!(true)), ("exemplar", json!(quantile == "0.99"))]);
        }
        self
    }

    /// A column of a table: its value now. Rows are joined by their labels.
    pub(super) fn column(mut self, name: &'static str, unit: &str, expr: &str) -> Self {
        let reference = self.push(expr, "", &[("instant", json!(true)), ("format", json!("table"))]);
        self.overrides.push(json!({
            "matcher": { "id": "byName", "options": name },
            "properties": [{ "id": "unit", "value": unit }, { "id": "displayName", "value": name }],
        }));
        self.transformations.push(json!([format!("Value #{reference}"), name]));
        self
    }

    /// Colours the cells of the last column by steps.
    pub(super) fn shaded(mut self, steps: &[(Option<f64>, &str)]) -> Self {
        self.last_property("custom.cellOptions", &json!({ "type": "color-background", "mode": "basic" }));
        self.last_property("thresholds", &thresholds(steps));
        self
    }

    /// Words for the values of the last column.
    pub(super) fn named(mut self, states: &[(&str, &str)]) -> Self {
        self.last_property("mappings", &json!([mappings(states)]));
        self.last_property("custom.cellOptions", &json!({ "type": "color-text" }));
        self
    }

    fn last_property(&mut self, id: &str, value: &Value) {
        if let Some(properties) = self.overrides.last_mut().and_then(|last| last["properties"].as_array_mut())
        {
            properties.push(json!({ "id": id, "value": value }));
        }
    }

    /// Sorts a table by a column, the worst first.
    pub(super) fn worst_first(mut self, column: &str) -> Self {
        self.options["sortBy"] = json!([{ "displayName": column, "desc": true }]);
        self
    }

    /// Makes the cells of a column links.
    pub(super) fn link(mut self, column: &str, title: &str, url: &str) -> Self {
        self.overrides.push(json!({
            "matcher": { "id": "byName", "options": column },
            "properties": [{ "id": "links", "value": [{ "title": title, "url": url }] }],
        }));
        self
    }

    /// Steps at which the colour changes; the first has no value.
    pub(super) fn steps(mut self, steps: &[(Option<f64>, &str)]) -> Self {
        self.defaults.insert("thresholds".to_owned(), thresholds(steps));
        self.defaults.insert("color".to_owned(), json!({ "mode": "thresholds" }));
        self
    }

    /// Areas one above the other.
    pub(super) fn stacked(mut self) -> Self {
        self.custom.insert("stacking".to_owned(), json!({ "mode": "normal", "group": "A" }));
        self.custom.insert("fillOpacity".to_owned(), json!(40));
        self
    }

    /// A line of another look, such as a limit: dashed, not filled and not stacked.
    pub(super) fn dashed(mut self, legend: &str) -> Self {
        self.overrides.push(json!({
            "matcher": { "id": "byRegexp", "options": legend },
            "properties": [
                { "id": "custom.lineStyle", "value": { "fill": "dash", "dash": [8, 6] } },
                { "id": "custom.fillOpacity", "value": 0 },
                { "id": "custom.stacking", "value": { "mode": "none", "group": "A" } },
            ],
        }));
        self
    }

    fn states(mut self, states: &[(&str, &str)]) -> Self {
        self.defaults.insert("mappings".to_owned(), json!([mappings(states)]));
        self.defaults.insert("color".to_owned(), json!({ "mode": "thresholds" }));
        self.defaults.insert("thresholds".to_owned(), thresholds(&[(None, GOOD)]));
        self
    }

    /// Adds a query; returns its letter.
    fn push(&mut self, expr: &str, legend: &str, more: &[(&str, Value)]) -> char {
        let reference = ('A'..='Z').nth(self.targets.len()).unwrap_or('Z');
        let mut target = object(json!({
            "refId": reference.to_string(), "expr": expr, "legendFormat": legend, "editorMode": "code",
            "datasource": { "type": "prometheus", "uid": "${datasource}" },
        }));
        target.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        self.targets.push(target.into());
        reference
    }

    /// The panel as Grafana has it. `fill` puts the selection of the board into its queries.
    pub(super) fn into_json(self, id: u32, at: (u32, u32), fill: impl Fn(&str) -> String) -> Value {
        let targets: Vec<_> = self
            .targets
            .into_iter()
            .map(|mut target| {
                target["expr"] = json!(fill(target["expr"].as_str().unwrap_or_default()));
                target
            })
            .collect();
        let mut defaults = self.defaults;
        defaults.insert("custom".to_owned(), self.custom.into());
        let mut panel = json!({
            "id": id,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": { "type": "prometheus", "uid": "${datasource}" },
            "gridPos": { "x": at.0, "y": at.1, "w": self.width, "h": self.height },
            "targets": targets,
            "fieldConfig": { "defaults": defaults, "overrides": self.overrides },
            "options": self.options,
        });
        if self.kind == "table" {
            panel["transformations"] = table(&self.transformations);
        }
        panel
    }
}

/// Joins the answers of a table's queries by their labels, and gives the columns their names.
fn table(columns: &[Value]) -> Value {
    let words = WORDS.iter().map(|(label, word)| (*label, json!(word)));
    let values = columns.iter().filter_map(|pair| Some((pair[0].as_str()?, pair[1].clone())));
    let renamed: Map<_, _> = words.chain(values).map(|(from, to)| (from.to_owned(), to)).collect();
    let labels = ["job", "instance"].into_iter().chain(WORDS.iter().skip(1).map(|(label, _)| *label));
    let places: Map<_, _> = labels
        .chain(columns.iter().filter_map(|pair| pair[0].as_str()))
        .enumerate()
        .map(|(place, name)| (name.to_owned(), json!(place)))
        .collect();
    json!([
        { "id": "merge", "options": {} },
        { "id": "organize", "options": { "excludeByName": { "Time": true }, "indexByName": places, "renameByName": renamed } },
    ])
}

fn thresholds(steps: &[(Option<f64>, &str)]) -> Value {
    let steps: Vec<_> =
        steps.iter().map(|(value, color)| json!({ "value": value, "color": color })).collect();
    json!({ "mode": "absolute", "steps": steps })
}

/// The states by their numbers: 0, 1, ...
fn mappings(states: &[(&str, &str)]) -> Value {
    let options: Map<_, _> = states
        .iter()
        .enumerate()
        .map(|(number, (text, color))| {
            (number.to_string(), json!({ "text": text, "color": color, "index": number }))
        })
        .collect();
    json!({ "type": "value", "options": options })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
