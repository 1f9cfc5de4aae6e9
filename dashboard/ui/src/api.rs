//! Reads what the stream does not carry.

use std::fmt;

use poolscope_wire::{ApiError, ConnectionLanes, PoolDetail, path};
use serde::de::DeserializeOwned;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::Response;

use crate::route::encode;

/// Why an answer can't be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The server does not have it.
    NotFound(String),
    /// The server refused, in its own words.
    Refused(String),
    /// No answer came.
    Unreachable,
    /// The answer is not what the contract says.
    Malformed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(sentence) | Self::Refused(sentence) => f.write_str(sentence),
            Self::Unreachable => f.write_str("The server does not answer. The page tries again by itself."),
            Self::Malformed(error) => {
                write!(f, "The server's answer can't be read ({error}); reload the page.")
            }
        }
    }
}

/// Reads a pool with its history.
pub async fn pool(id: &str) -> Result<PoolDetail, Failure> {
    read(&format!("{}/{}", path::POOLS, encode(id))).await
}

/// Reads the connections of a pool one by one; the query has its `?`.
pub async fn connections(id: &str, query: &str) -> Result<ConnectionLanes, Failure> {
    read(&format!("{}/{}/{}{query}", path::POOLS, encode(id), path::CONNECTIONS)).await
}

async fn read<T: DeserializeOwned>(url: &str) -> Result<T, Failure> {
    let (status, body) = get(url).await.ok_or(Failure::Unreachable)?;
    if status == 200 {
        return serde_json::from_str(&body).map_err(|error| Failure::Malformed(error.to_string()));
    }
    let sentence = serde_json::from_str::<ApiError>(&body)
        .map_or_else(|_| format!("The server answered with status {status}."), |error| error.error);
    Err(if status == 404 { Failure::NotFound(sentence) } else { Failure::Refused(sentence) })
}

/// Status and body of an answer; `None` if none came.
async fn get(url: &str) -> Option<(u16, String)> {
    let answer = JsFuture::from(leptos::prelude::window().fetch_with_str(url)).await.ok()?;
    let answer: Response = answer.dyn_into().ok()?;
    let body = JsFuture::from(answer.text().ok()?).await.ok()?;
    Some((answer.status(), body.as_string()?))
}
