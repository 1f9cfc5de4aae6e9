//! Gives an order to the server.

use poolscope_wire::{ApiError, CONTROL_HEADER, ControlAction, ControlOrder, json, path};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{RequestInit, Response};

use crate::export::sheet::json_text;

/// Why an order was not taken: the server's own words, where it answered.
const SILENCE: &str = "The server does not answer.";

/// Gives one order; `Err` is why it was not taken.
pub async fn send(order: &ControlOrder) -> Result<(), String> {
    let (status, body) = post(order).await.ok_or(SILENCE)?;
    if status == 202 {
        return Ok(());
    }
    let said = json::read::<ApiError>(&body).map(|error| error.error);
    Err(said.unwrap_or_else(|_| format!("The server answered with status {status}.")))
}

async fn post(order: &ControlOrder) -> Option<(u16, String)> {
    let headers = js_sys::Object::new();
    for (name, value) in [("content-type", "application/json"), (CONTROL_HEADER, "1")] {
        js_sys::Reflect::set(&headers, &name.into(), &value.into()).ok()?;
    }
    let request = RequestInit::new();
    request.set_method("POST");
    request.set_headers(&headers);
    request.set_body(&JsValue::from_str(&text_of(order)));
    let sent = leptos::prelude::window().fetch_with_str_and_init(path::CONTROL, &request);
    let answer: Response = JsFuture::from(sent).await.ok()?.dyn_into().ok()?;
    let body = JsFuture::from(answer.text().ok()?).await.ok()?;
    Some((answer.status(), body.as_string()?))
}

/// An order as JSON, without the code that serde would add to the download.
fn text_of(order: &ControlOrder) -> String {
    let action = match order.action {
        ControlAction::ForceOpen => "force_open",
        ControlAction::ForceClosed => "force_closed",
        ControlAction::Automatic => "automatic",
    };
    let for_s = order.for_s.map_or_else(|| "null".to_owned(), |seconds| seconds.to_string());
    format!(
        r#"{{"breaker":{},"action":"{action}","for_s":{for_s},"reason":{}}}"#,
        json_text(&order.breaker),
        json_text(&order.reason)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_written_as_the_server_reads_it() {
        for action in [ControlAction::ForceOpen, ControlAction::ForceClosed, ControlAction::Automatic] {
            for for_s in [None, Some(300)] {
                let (breaker, reason) = ("a\"b".to_owned(), "line\n\u{7} \\ é".to_owned());
                let order = ControlOrder { breaker, action, for_s, reason };
                assert_eq!(serde_json::from_str::<ControlOrder>(&text_of(&order)).unwrap(), order);
            }
        }
    }
}
