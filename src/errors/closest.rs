//! The name that was most likely meant by an unknown one.

/// The candidate that is most like a word; none if all are too far from it.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = word.chars().count().div_ceil(3);
    let near = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    near.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// The number of letters to be inserted, removed or replaced; capital letters are like small ones.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().flat_map(char::to_lowercase).enumerate() {
        let mut next = vec![i + 1];
        for ((kept, other), above) in row.iter().zip(&to).zip(row.iter().skip(1)) {
            let before = next.last().copied().unwrap_or_default();
            next.push((kept + usize::from(letter != *other)).min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_found_if_one_is_close() {
        let names = ["path", "readOnly", "timeout", "stdout", "stdin"];
        for (word, expected) in [
            ("readonly", Some("readOnly")),
            ("read_only", Some("readOnly")),
            ("READONLY", Some("readOnly")),
            ("timout", Some("timeout")),
            ("stdou", Some("stdout")),
            ("std", None),
            ("pth", Some("path")),
            ("tiemout", Some("timeout")),
            ("", None),
            ("something else", None),
        ] {
            assert_eq!(closest(word, names), expected, "{word}");
        }
        assert_eq!(closest("x", []), None);
    }

    #[test]
    fn distances() {
        for (from, to, expected) in
            [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ž", "z", 1)]
        {
            assert_eq!(distance(from, to), expected);
            assert_eq!(distance(to, from), expected);
        }
    }
}
