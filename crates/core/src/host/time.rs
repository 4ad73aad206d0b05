//! Times in nanoseconds.

pub(super) const NANOS_PER_SEC: u64 = 1_000_000_000;

/// Nanoseconds of a time; before 1970 is 0, past the year 2554 is the greatest.
pub fn nanoseconds(seconds: i64, nanoseconds: i64) -> u64 {
    match (u64::try_from(seconds), u64::try_from(nanoseconds)) {
        (Ok(seconds), Ok(nanoseconds)) => seconds.saturating_mul(NANOS_PER_SEC).saturating_add(nanoseconds),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_out_of_range_are_clamped() {
        assert_eq!(nanoseconds(-1, 999_999_999), 0);
        assert_eq!(nanoseconds(i64::MAX, 0), u64::MAX);
        assert_eq!(nanoseconds(1, 5), 1_000_000_005);
    }
}
