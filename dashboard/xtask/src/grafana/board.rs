//! A dashboard: its variables, its rows of panels, and the links to the others.

use serde_json::{Value, json};

use super::panel::Panel;

/// Width of Grafana's grid.
const GRID: u32 = 24;

/// A dashboard that is being described.
pub(super) struct Board {
    uid: &'static str,
    title: &'static str,
    description: &'static str,
    variables: Vec<Value>,
    selections: Vec<(&'static str, String)>,
    rows: Vec<(&'static str, Vec<Panel>)>,
}

impl Board {
    pub(super) fn new(uid: &'static str, title: &'static str, description: &'static str) -> Self {
        let datasource = json!({
            "name": "datasource", "type": "datasource", "label": "Prometheus", "query": "prometheus",
            "hide": 0, "includeAll": false, "multi": false, "refresh": 1, "regex": "", "options": [],
        });
        Self {
            uid,
            title,
            description,
            variables: vec![datasource],
            selections: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// A variable of which several values, and at first all, are chosen.
    pub(super) fn any(self, name: &str, label: &str, query: &str) -> Self {
        self.variable(name, label, query, true)
    }

    /// A variable of which one value is chosen.
    pub(super) fn one(self, name: &str, label: &str, query: &str) -> Self {
        self.variable(name, label, query, false)
    }

    fn variable(mut self, name: &str, label: &str, query: &str, several: bool) -> Self {
        let mut variable = json!({
            "name": name, "label": label, "type": "query", "hide": 0, "refresh": 2, "sort": 1, "regex": "",
            "datasource": { "type": "prometheus", "uid": "${datasource}" },
            "query": { "query": query, "refId": "variable", "qryType": 1 },
            "includeAll": several, "multi": several, "options": [],
        });
        if several {
            variable["current"] = json!({ "text": ["All"], "value": ["$__all"] });
            // A list of all values would make the query as long as the fleet is large.
            variable["allValue"] = json!(".+");
        }
        self.variables.push(variable);
        self
    }

    /// What `name` in a query of this board stands for.
    pub(super) fn select(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.selections.push((name, text.into()));
        self
    }

    /// A row with its title above it; panels that find no room in one line go on in the next.
    pub(super) fn row(mut self, title: &'static str, panels: impl IntoIterator<Item = Panel>) -> Self {
        self.rows.push((title, panels.into_iter().collect()));
        self
    }

    /// The file's name and its JSON.
    pub(super) fn into_file(self) -> (String, Value) {
        let fill = |expr: &str| {
            self.selections.iter().fold(expr.to_owned(), |expr, (name, text)| expr.replace(name, text))
        };
        let mut panels = Vec::new();
        let (mut id, mut top) = (1, 0);
        for (title, row) in self.rows {
            panels.push(json!({
                "id": id, "type": "row", "title": title, "collapsed": false, "panels": [],
                "gridPos": { "x": 0, "y": top, "w": GRID, "h": 1 },
            }));
            id += 1;
            top += 1;
            let (mut left, mut tallest) = (0, 0);
            for panel in row {
                if left + panel.width() > GRID {
                    top += tallest;
                    (left, tallest) = (0, 0);
                }
                let (width, height) = (panel.width(), panel.height());
                panels.push(panel.into_json(id, (left, top), fill));
                id += 1;
                left += width;
                tallest = tallest.max(height);
            }
            top += tallest;
        }
        let board = json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["poolscope"],
            "editable": true,
            "graphTooltip": 1,
            "refresh": "10s",
            "schemaVersion": 39,
            "time": { "from": "now-30m", "to": "now" },
            "timezone": "browser",
            "templating": { "list": self.variables },
            "annotations": { "list": [{
                "name": "Alerts", "enable": true, "iconColor": "red",
                "datasource": { "type": "prometheus", "uid": "${datasource}" },
                "expr": fill("ALERTS{ALERTED, alertstate=\"firing\"}"),
                "titleFormat": "{{alertname}}", "textFormat": "{{job}} {{poolscope_client_name}} {{server_address}}{{poolscope_breaker_name}}{{poolscope_session_name}}{{poolscope_server_name}}{{poolscope_task_group}}{{poolscope_queue_name}}{{poolscope_supervisor_name}}",
            }] },
            "links": [{
                "type": "dashboards", "title": "Poolscope", "tags": ["poolscope"], "asDropdown": false, "icon": "external link",
                "includeVars": true, "keepTime": true, "targetBlank": false, "tooltip": "", "url": "",
            }],
            "panels": panels,
        });
        let name = self.uid.trim_start_matches("poolscope-");
        (format!("{name}.json"), board)
    }
}
