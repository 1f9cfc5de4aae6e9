//! A look at all connections of a server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Shared, Stage};
use crate::server::life::{Life, is};
use crate::server::rules::{What, due, shortest};

/// What a look at all connections has found.
#[derive(Debug)]
pub(in crate::server) struct Found {
    pub(in crate::server) due: Vec<(Arc<Life>, What)>,
    /// Nothing is to be done before.
    pub(in crate::server) next: Option<Duration>,
    /// Nothing is there, and nothing will be.
    pub(in crate::server) is_over: bool,
}

impl Shared {
    /// Looks for connections whose time is over.
    pub(in crate::server) fn look(&self) -> Found {
        let table = self.table();
        let now = self.now();
        let mut next = shortest(&self.rules).map(|shortest| now + shortest);
        let mut found = Vec::new();
        for life in table.there.values().filter(|life| !life.is(is::CUT)) {
            let Some(due) = due(&life.facts(), &self.rules) else { continue };
            if due.at <= now {
                found.push((Arc::clone(life), due.what));
                // What is due next of it is known only when this was done. Nothing is found twice: who is told to end has
                // the drain timeout then, and who is cut is not looked at.
                next = Some(now);
            } else {
                next = Some(next.map_or(due.at, |next| next.min(due.at)));
            }
        }
        let is_over = table.there.is_empty() && *self.stage.borrow() != Stage::Open;
        Found { due: found, next, is_over }
    }

    /// Connections of which something may be left that their client has not taken, with their ends.
    pub(in crate::server) fn may_have_left(&self) -> Vec<(Arc<Life>, (SocketAddr, SocketAddr))> {
        let table = self.table();
        let may_have = |life: &&Arc<Life>| {
            let is_bounded = self.rules.ends_upgraded || !life.is(is::UPGRADED) || life.is(is::HTTP2);
            is_bounded && !life.is(is::CUT) && !life.has_taken_all()
        };
        let open = table.there.values().filter(may_have);
        open.filter_map(|life| Some((Arc::clone(life), life.ends()?))).collect()
    }
}
