//! Control: breakers that are held from the dashboard for a time.

use serde::{Deserialize, Serialize};

/// Header without which no order is taken: a form can't send it.
pub const CONTROL_HEADER: &str = "x-poolscope-control";

/// What is wanted of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlAction {
    /// Reject every call.
    ForceOpen,
    /// Let every call pass.
    ForceClosed,
    /// Let the breaker decide again.
    #[default]
    Automatic,
}

/// Somebody asks for something: the body of a POST.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlOrder {
    /// Id of the breaker.
    pub breaker: String,
    /// What is wanted.
    pub action: ControlAction,
    /// For how long, in seconds; [`None`] is five minutes. Of no meaning for [`ControlAction::Automatic`].
    #[serde(default)]
    pub for_s: Option<u64>,
    /// Why, for those who read it later.
    pub reason: String,
}

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlState {
    /// The instance has not answered yet.
    #[default]
    Asked,
    /// The instance does it, until [`Control::until_ms`].
    InForce,
    /// Its time is over, or another order came after it.
    Over,
    /// The instance refused, for [`Control::sentence`].
    Refused,
    /// The instance did not answer in time.
    Unanswered,
}

/// An order and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Control {
    /// Like no other's.
    pub id: String,
    /// Id of the breaker.
    pub breaker: String,
    /// What is wanted.
    pub action: ControlAction,
    /// For how long, in seconds; 0 for [`ControlAction::Automatic`].
    pub for_s: u64,
    /// Why.
    pub reason: String,
    /// Who asked: the kind of login, and the network.
    pub by: String,
    /// When.
    pub at_ms: u64,
    /// How far it has come.
    pub state: ControlState,
    /// When it ends, or has ended, by the clock of the server.
    pub until_ms: Option<u64>,
    /// Why it was refused, or what it means that nobody answered.
    pub sentence: Option<String>,
}

/// What is under control, where the server offers it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ControlList {
    /// Ids of breakers that take orders now: their application asks for some, and offers them for it.
    pub taking: Vec<String>,
    /// Ids of breakers that no order moves: they show what a resource guard does by what the process uses.
    pub fixed: Vec<String>,
    /// Orders, newest first, a bounded number.
    pub orders: Vec<Control>,
}
