//! The name that was most likely meant by an unknown one.

/// The fewest letters that tell a name by its beginning.
const BEGINNING: usize = 3;

/// The candidate that is most like a word, or else the only one that begins so; none if all are too far from
/// it.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let candidates: Vec<_> = candidates.into_iter().collect();
    let near = candidates.iter().map(|candidate| (distance(word, candidate), *candidate));
    let near = near.filter(|(distance, _)| *distance <= length.div_ceil(3)).min_by_key(|(distance, _)| *distance);
    let mut begun = candidates.iter().filter(|candidate| length >= BEGINNING && candidate.starts_with(word));
    match (near, begun.next(), begun.next()) {
        (Some((_, candidate)), ..) | (None, Some(&candidate), None) => Some(candidate),
        _ => None,
    }
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
            ("read", Some("readOnly")),
            ("ti", None),
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
