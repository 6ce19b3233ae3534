//! Bars of what was earned, drawn as SVG without a script: one row per cycle and currency.

use quittance_proto::common::v1::Money;

/// One bar, in units of the drawing.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) amount: String,
    pub(super) width: i64,
    pub(super) text_y: usize,
    pub(super) rect_y: usize,
}

/// How wide the longest bar is.
const WIDTH: i64 = 560;
/// How high a row is: a line of text and its bar.
const ROW: usize = 44;

/// How high the drawing is.
pub(super) fn height(bars: usize) -> usize {
    bars * ROW + 4
}

/// Lays out the bars. Each currency has a scale of its own: currencies are not compared.
pub(super) fn bars<'a>(
    earned: impl Iterator<Item = (&'a str, &'a Money)>,
    write: impl Fn(&Money) -> String,
) -> Vec<Bar> {
    let earned: Vec<_> = earned.filter(|(_, money)| 0 < money.minor_units).collect();
    let longest = |code: &str| {
        let same = earned.iter().filter(|(_, money)| money.currency_code == code);
        same.map(|(_, money)| money.minor_units).max().unwrap_or(1)
    };
    let width = |money: &Money| {
        let share = i128::from(money.minor_units) * i128::from(WIDTH);
        i64::try_from(share / i128::from(longest(&money.currency_code))).unwrap_or(WIDTH).max(2)
    };
    earned
        .iter()
        .enumerate()
        .map(|(row, (label, money))| Bar {
            label: (*label).to_owned(),
            amount: write(money),
            width: width(money),
            text_y: row * ROW + 16,
            rect_y: row * ROW + 22,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_amounts_and_currencies_are_not_compared() {
        let money = |minor_units, code: &str| Money { minor_units, currency_code: code.to_owned() };
        let earned =
            [money(7_500_000, "KZT"), money(3_750_000, "KZT"), money(10, "USD"), money(0, "KZT")];
        let bars = bars(earned.iter().map(|money| ("cycle", money)), |money| {
            money.minor_units.to_string()
        });
        assert_eq!(bars.iter().map(|bar| bar.width).collect::<Vec<_>>(), [560, 280, 560]);
        assert_eq!(bars[1].text_y, 60);
        assert_eq!(height(bars.len()), 136);
    }
}
