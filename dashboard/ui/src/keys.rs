//! Which key does what. Pure: the listener is in [`crate::navigation`].

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Go to the search field.
    Search,
    /// Focus the next thing of the list.
    Next,
    /// Focus the one before.
    Previous,
    /// Go back.
    Back,
    /// Hold the picture, or let it go on.
    Pause,
    /// Go to a page, counted from 0.
    Page(usize),
    /// Show or hide the help.
    Help,
}

/// What the help shows: keys, and what they do.
pub const HELP: [(&str, &str); 10] = [
    ("/", "search"),
    ("j", "next pool, breaker, policy, event, trace or span"),
    ("k", "the one before"),
    ("Enter", "open it"),
    ("Esc", "close, clear the marked time, or go back"),
    ("Space", "hold the picture, or let it go on"),
    ("\u{2190} \u{2192}", "on the charts: move the cursor"),
    ("Shift \u{2190} \u{2192}", "on the charts: mark a time; Enter looks at it"),
    ("1 \u{2013} 8", "go to a page"),
    ("?", "this help"),
];

/// The action of a key.
///
/// `typing` is true while a field has the focus, where only `Escape` is ours; `on_control` while a button, a link or a
/// list has it, whose own keys stay its own.
#[must_use]
pub fn action(key: &str, typing: bool, on_control: bool) -> Option<Action> {
    match key {
        "Escape" => Some(Action::Back),
        _ if typing => None,
        "/" => Some(Action::Search),
        "j" => Some(Action::Next),
        "k" => Some(Action::Previous),
        " " if !on_control => Some(Action::Pause),
        "1" => Some(Action::Page(0)),
        "2" => Some(Action::Page(1)),
        "3" => Some(Action::Page(2)),
        "4" => Some(Action::Page(3)),
        "5" => Some(Action::Page(4)),
        "6" => Some(Action::Page(5)),
        "7" => Some(Action::Page(6)),
        "8" => Some(Action::Page(7)),
        "?" => Some(Action::Help),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_text_is_never_a_command() {
        for key in ["/", "j", "k", " ", "1", "?"] {
            assert_eq!(action(key, true, false), None, "{key}");
        }
        assert_eq!(action("Escape", true, false), Some(Action::Back));
    }

    #[test]
    fn space_presses_a_focused_button_instead_of_pausing() {
        assert_eq!(action(" ", false, true), None);
        assert_eq!(action(" ", false, false), Some(Action::Pause));
        assert_eq!(action("j", false, true), Some(Action::Next));
    }
}
