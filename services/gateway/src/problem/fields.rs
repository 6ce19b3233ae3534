//! Names of fields: as the services know them, and as a REST client wrote them.

/// Fields that have another name, or another depth, in JSON. Longer ones first.
const RENAMED: [(&str, &str); 13] = [
    ("capacity_points", "rewardPool.capacityPoints"),
    ("payout_rates.currency_code", "payoutRates.currency"),
    ("minimum.amount.minor_units", "amountMinor"),
    ("minimum.method", "method"),
    ("amount.minor_units", "amountMinor"),
    ("amount.currency_code", "currency"),
    ("currency_code", "currency"),
    ("minor_units", "amountMinor"),
    ("payee_id", "testerId"),
    ("request_id", "Idempotency-Key"),
    ("query", "q"),
    ("gate", "requiresVerification"),
    ("amount", "amountMinor"),
];

/// Turns `groups[2].payee_id` into `groups[2].testerId`.
pub(super) fn json_path(path: &str) -> String {
    for (wire, json) in RENAMED {
        if let Some(start) = path.strip_suffix(wire)
            && (start.is_empty() || start.ends_with('.'))
        {
            return camel(start) + json;
        }
    }
    camel(path)
}

fn camel(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    let mut upper = false;
    for letter in path.chars() {
        if letter == '_' {
            upper = true;
        } else if upper {
            text.push(letter.to_ascii_uppercase());
            upper = false;
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_as_the_client_wrote_them() {
        for (wire, json) in [
            ("groups[2].payee_id", "groups[2].testerId"),
            ("decisions[0].approve.amount.minor_units", "decisions[0].approve.amountMinor"),
            ("amount.currency_code", "currency"),
            ("payout_rates.critical", "payoutRates.critical"),
            ("payout_rates.currency_code", "payoutRates.currency"),
            ("issue_ids[10]", "issueIds[10]"),
            ("title", "title"),
            ("aggregate", "aggregate"),
        ] {
            assert_eq!(json_path(wire), json);
        }
    }
}
