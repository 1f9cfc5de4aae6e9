//! What the About page and the status of the API tell of the server itself.

use poolscope_wire::{Limit, Loss, Own, SignalFigures};

use super::counts::{AtDoor, Reason};
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
        for why in AtDoor::ALL {
            tell(format!("Requests refused: {}", why.words()), self.counts.all_turned_away(why));
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
        let limit = |name: &str, used: u64, max: usize, hits: u64| Limit::new(name, used, max as u64, hits);
        let each = |name: &str, max: usize, hits: u64| Limit::of_bytes(name, 0, max as u64, hits);
        let counts = &self.counts;
        let busy = limits.max_requests.saturating_sub(self.admission.available_permits()) as u64;
        let mut all = vec![
            limit("live streams", self.streams.open(), limits.max_streams, counts.refused_streams()),
            limit("requests at once", busy, limits.max_requests, counts.refused_for(Reason::Busy)),
            each("bytes of a request", limits.max_body_bytes, counts.large_bodies()),
            each("bytes of a request, inflated", limits.max_inflated_bytes, counts.large_inflated_bodies()),
            each("bytes of the head of a request", limits.max_header_bytes, counts.large_heads()),
            limit("buckets of a histogram", 0, MAX_BUCKETS, counts.all_wide_histograms()),
        ];
        all.extend(self.places.iter().map(|(name, places)| {
            let (used, max) = places.used();
            limit(&format!("connections for {name}"), used as u64, max, made_way(places))
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use clap::{Args as _, Command, FromArgMatches as _};

    use crate::access::Access;
    use crate::app::App;
    use crate::clock::now_ms;
    use crate::config::{Config, Limits};

    /// Those of connections belong to the listeners, of which there are none here.
    const OF_LISTENERS: &str = "max-connections";

    #[test]
    fn every_bound_that_can_be_set_is_told_with_how_full_it_is() {
        let command = Limits::augment_args(Command::new("limits")).mut_args(|arg| arg.env(None::<&str>));
        let bounds: HashMap<String, usize> = command
            .get_arguments()
            .filter_map(|arg| arg.get_long())
            .filter(|flag| flag.starts_with("max-") && *flag != OF_LISTENERS)
            .zip(2_001..)
            .map(|(flag, max)| (flag.to_owned(), max))
            .collect();
        assert!(bounds.len() > 20, "{bounds:?}");
        let flags = bounds.iter().map(|(flag, max)| format!("--{flag}={max}"));
        let matches = command.get_matches_from(std::iter::once("limits".to_owned()).chain(flags));
        let limits = Limits::from_arg_matches(&matches).unwrap();
        let config = Config { limits, ..Config::default() };
        let any = ([127, 0, 0, 1], 0).into();
        let access = Access::new(&config, any, [any; 2]).unwrap();
        let app = App::new(config, access, String::new(), String::new());
        let status = app.status(&app.store(), app.trace_limits(), now_ms());
        for (flag, max) in bounds {
            let max = if flag.ends_with("-mb") { max << 20 } else { max } as u64;
            let row = status.limits.iter().find(|row| row.max == max);
            let row = row.unwrap_or_else(|| panic!("--{flag} has no row"));
            let is_bytes = flag.ends_with("-bytes") || flag.ends_with("-mb");
            assert_eq!(row.is_bytes, is_bytes, "{}", row.name);
        }
    }
}
