//! axe-core in a page, and what it has against it.

use anyhow::{Context as _, Result};

use crate::browser::page::{Page, Theme};

/// Everything of WCAG 2.2 A and AA that can be judged by a program, and what axe-core holds for good practice. No rule is
/// left out.
const ALL: &str = r#"["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]"#;

/// The rules that look at colours: all that another theme can change.
const COLOURS: &str = r#"{ type: "rule", values: ["color-contrast", "link-in-text-block"] }"#;

/// Judges by rules. No style sheet is read again for it, and what is right is not told.
const RUN: &str = r#"
    const options = { runOnly: RULES, resultTypes: ["violations"], preload: false };
    return axe.run(document, options).then(found => found.violations.map(rule => {
        const places = rule.nodes.slice(0, 3).map(node => `${node.html.slice(0, 200)}: ${node.failureSummary}`);
        return `${rule.id} (${rule.impact}), ${rule.nodes.length} times: ${rule.help}\n  ${places.join("\n  ")}`;
    }));
"#;

/// What is wrong with the page that is shown, in both themes, wide and on a telephone.
pub(super) async fn violations(page: &Page) -> Result<Vec<String>> {
    let path = std::env::var_os("AXE_SCRIPT").context("run `cargo xtask test --suite browser`")?;
    let axe = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    // What DevTools run is not stopped by the page's content security policy.
    page.script(&axe).await?;
    let mut all = Vec::new();
    for width in [1280, 400] {
        page.size(width, 800).await?;
        for (theme, rules) in [(Theme::Light, ALL), (Theme::Dark, COLOURS)] {
            // Colours on their way from one to the other are those of neither.
            page.prefer_all(&[("prefers-color-scheme", theme.name()), ("prefers-reduced-motion", "reduce")])
                .await?;
            let found = page.script(&RUN.replace("RULES", rules)).await?;
            let found: Vec<String> = serde_json::from_value(found)?;
            all.extend(found.into_iter().map(|what| format!("{width} px, {}: {what}", theme.name())));
        }
    }
    page.size(1280, 800).await?;
    page.prefer(Theme::Light).await?;
    Ok(all)
}
