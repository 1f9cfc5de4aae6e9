//! Light, dark, or as the system says.

use leptos::prelude::*;

use crate::browser;

/// Where the choice is kept; `boot.js` reads it before the first paint.
const KEY: &str = "poolscope-theme";

/// What the user chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the system says.
    #[default]
    Auto,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// Its word, which is also how it is kept.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// The theme of a word; what is not known is [`Theme::Auto`].
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Auto,
        }
    }

    /// The one that a press of the button goes to.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Auto => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::Auto,
        }
    }
}

/// The theme as a signal; setting it changes the page and keeps the choice.
#[must_use]
pub fn use_theme() -> RwSignal<Theme> {
    let theme = RwSignal::new(Theme::from_word(&browser::setting(KEY).unwrap_or_default()));
    Effect::new(move |before: Option<Theme>| {
        let now = theme.get();
        browser::set_root_attribute("data-theme", (now != Theme::Auto).then(|| now.word()));
        if before.is_some() {
            browser::set_setting(KEY, now.word());
        }
        now
    });
    theme
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_presses_come_back_and_words_survive() {
        let mut theme = Theme::Auto;
        for _ in 0..3 {
            assert_eq!(Theme::from_word(theme.word()), theme);
            theme = theme.next();
        }
        assert_eq!(theme, Theme::Auto);
    }
}
