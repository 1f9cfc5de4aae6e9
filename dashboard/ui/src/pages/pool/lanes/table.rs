//! What the lanes mean, and the figures behind them.

use leptos::prelude::*;

use super::{
    View,
    text::{self, RowText},
};
use crate::format;

/// Rows of the table behind the lanes.
const TABLE_ROWS: usize = 200;

/// What the shapes mean.
#[component]
pub fn Legend() -> impl IntoView {
    view! {
        <p class="soft legend">
            <span><svg width="30" height="14" aria-hidden="true"><path class="open" d="M0 12L30 12" /><path class="active" d="M6 12L14 12L14 6L6 6ZM18 12L26 12L26 2L18 2Z" /></svg>
                "in use, as high as its share of the time"</span>
            <span><svg width="24" height="14" aria-hidden="true"><path class="open" d="M0 12L24 12" /></svg> "open and idle"</span>
            <span><svg width="24" height="14" aria-hidden="true"><path class="draining" d="M1 13L22 13L22 4L1 4Z" /></svg> "draining"</span>
            <span><svg width="24" height="14" aria-hidden="true"><path class="upgraded" d="M1 13L4 13L4 3L1 3ZM7 13L10 13L10 3L7 3ZM13 13L16 13L16 3L13 3ZM19 13L22 13L22 3L19 3Z" /></svg> "upgraded"</span>
            <span><svg width="24" height="14" aria-hidden="true"><path class="leak" d="M1 3L23 3" /></svg> "held, body not read"</span>
            <span><svg width="14" height="14" aria-hidden="true"><g transform="translate(7 7)"><path class="mark" d="M-3.5 -3.5L3.5 3.5M3.5 -3.5L-3.5 3.5" /></g></svg> "closed"</span>
            <span><svg width="14" height="14" aria-hidden="true"><g transform="translate(7 7)"><path class="mark wasted" d="M0 -5L5 0L0 5L-5 0Z" /></g></svg> "closed, never used"</span>
        </p>
    }
}

/// The figures behind the lanes.
#[component]
pub fn Table(
    /// What is seen of the lanes.
    view: View,
) -> impl IntoView {
    let rows = move || {
        let (to_ms, interval_ms) = (view.ends().1, view.known.with(|known| known.lanes.interval_ms));
        view.known.with(|known| {
            let rows = known.lanes.rows.iter().take(TABLE_ROWS).map(|lane| {
                let text = RowText::new(lane, to_ms, interval_ms);
                let leaks: Vec<String> = lane.leaks.iter().map(|leak| text::leak(leak, lane.seen_ms)).collect();
                view! {
                    <tr>
                        <th scope="row">{text.name}</th>
                        <td class="mono" dir="auto">{text.peer}</td>
                        <td title=format::exact_time(lane.opened_ms)>{text.age}</td>
                        <td class="number">{text.requests}</td>
                        <td class="number">{text.share}</td>
                        <td dir="auto">{text.what}{leaks.into_iter().map(|leak| view! { <span class="under">{leak}</span> }).collect_view()}</td>
                    </tr>
                }
            });
            rows.collect_view()
        })
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Connections one by one as a table" data-testid="lanes-table">
            <table class="figures-table">
                <thead>
                    <tr>
                        <th scope="col">"Connection"</th>
                        <th scope="col">"Peer"</th>
                        <th scope="col">"Age"</th>
                        <th scope="col" class="number">"Requests"</th>
                        <th scope="col" class="number">"In use"</th>
                        <th scope="col">"Now, or how it ended"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
}
