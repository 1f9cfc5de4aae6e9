//! Each query of each panel, asked as Grafana asks it.

use std::collections::BTreeMap;

use poolscope_tests::stack::Prometheus;
use serde_json::Value;

use super::{boards, each, text};
use crate::filled::Filled;

/// Grafana's own variables where Prometheus is scraped every 5 seconds, as the data source is provisioned.
const OWN: [(&str, &str); 3] = [("$__rate_interval", "20s"), ("$__range", "5m"), ("$__interval", "5s")];

/// The chosen values of a dashboard's variables, as they stand in a query.
type Chosen = BTreeMap<String, String>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the Collector and Prometheus"]
async fn every_panel_and_every_variable_has_data() {
    let filled = Filled::start().await;
    // The first pools and sessions; what takes longer is waited for below.
    let first = ["poolscope_connection_opened_total > 0", "poolscope_session_started_total > 0"];
    filled.must_answer(first.map(|query| (query.to_owned(), vec![query.to_owned()])).to_vec()).await;

    let mut questions = Vec::new();
    for (name, board) in boards() {
        let all = choices(&filled.prometheus, &board, true).await;
        let some = choices(&filled.prometheus, &board, false).await;
        for panel in each(&board, "/panels") {
            for target in each(panel, "/targets") {
                let title = format!("{name}: {}, {}", text(panel, "/title"), text(target, "/refId"));
                let query = |chosen| fill(text(target, "/expr"), chosen);
                questions.push((title.clone(), all.iter().map(query).collect()));
                questions.push((format!("{title}, by name"), some.iter().map(query).collect()));
            }
        }
        // Nothing may be firing, but Prometheus has to understand it.
        for annotation in each(&board, "/annotations/list") {
            filled.prometheus.query(&fill(text(annotation, "/expr"), &all[0])).await.unwrap();
        }
    }
    assert!(questions.len() > 300, "there are only {} queries", questions.len());
    filled.must_answer(questions).await;
}

/// Every choice that the variables of a dashboard offer: where several values can be chosen either `All` or each by its
/// name, otherwise one value after the other, each of which decides what the next variable offers.
async fn choices(prometheus: &Prometheus, board: &Value, all: bool) -> Vec<Chosen> {
    let mut choices = vec![Chosen::new()];
    for variable in each(board, "/templating/list").filter(|variable| text(variable, "/type") == "query") {
        let name = text(variable, "/name");
        let mut next = Vec::new();
        for chosen in choices {
            let values = values(prometheus, &fill(text(variable, "/query/query"), &chosen)).await;
            assert!(!values.is_empty(), "{}: the variable {name} has no value", text(board, "/title"));
            let offered = match (variable["multi"] == true, all) {
                (true, true) => vec![text(variable, "/allValue").to_owned()],
                (true, false) => vec![format!(
                    "({})",
                    values.iter().map(|value| escape(value)).collect::<Vec<_>>().join("|")
                )],
                (false, _) => values,
            };
            next.extend(offered.into_iter().map(|value| {
                let mut chosen = chosen.clone();
                chosen.insert(name.to_owned(), value);
                chosen
            }));
        }
        choices = next;
    }
    choices
}

/// `label_values(selector, label)` is Grafana's; it asks this endpoint for it.
async fn values(prometheus: &Prometheus, query: &str) -> Vec<String> {
    let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
    let (selector, label) =
        inner.and_then(|inner| inner.rsplit_once(", ")).unwrap_or_else(|| panic!("{query}"));
    let values = prometheus.get(&format!("label/{label}/values"), &[("match[]", selector)]).await.unwrap();
    serde_json::from_value(values).unwrap()
}

/// A value among several stands in a regular expression, within a string in which a backslash stands for two.
fn escape(value: &str) -> String {
    let mut escaped = String::new();
    for letter in value.chars() {
        if "\\^$*+?.()|[]{}/".contains(letter) {
            escaped.push_str("\\\\");
        }
        escaped.push(letter);
    }
    escaped
}

/// The query with the values of the variables in it. Grafana's own come first: `$__range` is no `$_`.
fn fill(query: &str, chosen: &Chosen) -> String {
    let own = OWN.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value));
    let query = chosen.iter().fold(own, |query, (name, value)| query.replace(&format!("${name}"), value));
    assert!(!query.contains('$'), "a variable is not known: {query}");
    query
}
