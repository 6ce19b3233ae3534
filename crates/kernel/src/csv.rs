//! Cells of CSV files that a spreadsheet cannot run (product.md, rule 20).

use std::borrow::Cow;

/// Puts an apostrophe before what a spreadsheet would take for a formula. Blanks and byte order
/// marks before the sign do not hide it, nor does its full-width form.
#[must_use]
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    let hidden = |c: char| match c {
        '\t' | '\r' | '\n' => false,
        '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}' => true,
        _ => c.is_whitespace(),
    };
    let runs = text.trim_start_matches(hidden).starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    if runs { format!("'{text}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for formula in ["=1+1", "+1", "-1", "@sum", "\t=1", "  =1", "\u{feff}=1", "\u{ff1d}1"] {
            assert_eq!(csv_cell(formula), format!("'{formula}"));
        }
        for plain in ["", "Acme", "a=b", "1-2"] {
            assert_eq!(csv_cell(plain), plain);
        }
    }
}
