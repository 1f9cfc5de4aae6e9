//! What the About page and the status of the API tell of the server itself.

use poolscope_wire::{Limit, Loss, Own, SignalFigures};

use super::counts::Reason;
use super::memory::resident_bytes;
use crate::app::App;
use crate::conn::{Cut, Places};
use crate::model::MAX_BUCKETS;

/// Browsers that are told one by one, those first that lag most.
const MAX_BROWSERS: usize = 20;

impl App {
    /// The server about itself.
    pub(crate) fn own(&self) -> Own {
        let mut browsers = self.streams.browsers();
        browsers.truncate(MAX_BROWSERS);
        let (reloads, failed_reloads) = self.files.counts();
        Own {
            memory_bytes: resident_bytes(),
            asks_for_login: self.access.login().is_some(),
            asks_for_key: self.access.wants_key(),
            offers_control: self.control.is_some(),
            has_tls: self.config.tls.tls_cert.is_some(),
            reloads,
            failed_reloads,
            signals: self.signals(),
            losses: self.losses(),
            browsers,
        }
    }

    fn signals(&self) -> Vec<SignalFigures> {
        let figures = self.counts.signals().map(|of| SignalFigures {
            signal: of.kind.as_str().to_owned(),
            requests: of.requests,
            items: of.items,
            rejected: of.rejected,
            refused: of.refused.iter().sum(),
        });
        figures.into()
    }

    /// What was refused or cut off, in words, for each reason that has happened.
    fn losses(&self) -> Vec<Loss> {
        let mut losses = Vec::new();
        let mut tell = |what: String, count: u64| {
            if count > 0 {
                losses.push(Loss { what, count });
            }
        };
        for of in self.counts.signals() {
            for (why, count) in Reason::ALL.into_iter().zip(of.refused) {
                tell(format!("Requests with {} refused: {}", of.kind.as_str(), why.words()), count);
            }
        }
        if let Some(login) = self.access.login() {
            let (wrong, turned_away) = login.tries.counts();
            tell("Logins with a wrong token".to_owned(), wrong);
            tell("Logins turned away, after too many wrong ones".to_owned(), turned_away);
        }
        for (name, places) in &self.places {
            // That nobody used a connection is no loss.
            for why in Cut::ALL.into_iter().filter(|why| *why != Cut::Idle) {
                tell(format!("Connections for {name} ended: {}", words(why)), places.cuts(why));
            }
        }
        tell("Browsers let go that read nothing for a minute".to_owned(), self.streams.let_go());
        losses
    }

    /// The bounds that are not the store's.
    pub(crate) fn own_limits(&self) -> Vec<Limit> {
        let limits = &self.config.limits;
        let limit =
            |name: String, used: u64, max: usize, hits: u64| Limit { name, used, max: max as u64, hits };
        let mut all = vec![
            limit(
                "live streams".to_owned(),
                self.streams.open(),
                limits.max_streams,
                self.counts.refused_streams(),
            ),
            limit(
                "requests at once".to_owned(),
                limits.max_requests.saturating_sub(self.admission.available_permits()) as u64,
                limits.max_requests,
                self.counts.refused_for(Reason::Busy),
            ),
            // Which of the two it was, the sender was told.
            limit(
                "bytes of a request".to_owned(),
                0,
                limits.max_body_bytes,
                self.counts.refused_for(Reason::TooLarge),
            ),
            limit(
                "bytes of a request, inflated".to_owned(),
                0,
                limits.max_inflated_bytes,
                self.counts.refused_for(Reason::TooLarge),
            ),
            limit(
                "bytes of the head of a request".to_owned(),
                0,
                limits.max_header_bytes,
                self.counts.large_heads(),
            ),
            limit("buckets of a histogram".to_owned(), 0, MAX_BUCKETS, self.counts.all_wide_histograms()),
        ];
        all.extend(self.places.iter().map(|(name, places)| {
            let (used, max) = places.used();
            limit(format!("connections for {name}"), used as u64, max, made_way(places))
        }));
        all
    }
}

/// Connections that had to go, did not get in or had to wait since there were too many.
fn made_way(places: &Places) -> u64 {
    places.cuts(Cut::MadeRoom) + places.cuts(Cut::Share) + places.waits()
}

fn words(why: Cut) -> &'static str {
    match why {
        Cut::SlowHead => "the request did not arrive in time",
        Cut::Idle => "nobody used it",
        Cut::Stalled => "it took nothing of its answer",
        Cut::MadeRoom => "idle or slow, while others needed its place",
        Cut::Share => "its address has its share already",
        Cut::Handshake => "no TLS came about",
    }
}
