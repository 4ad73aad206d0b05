//! The plan of the tree in ARCHITECTURE.md: the table of rooms (`| floor | room | ... |`, rooms as paths in
//! backticks, those of one row being one room) and the paragraph with the addresses of unsafe code.

/// A row of the table.
struct Room {
    floor: u32,
    places: Vec<String>,
}

/// The rooms, and the addresses of unsafe code.
pub struct Plan {
    rooms: Vec<Room>,
    unsafe_addresses: Vec<String>,
}

impl Plan {
    /// The plan as ARCHITECTURE.md has it.
    pub fn read() -> Self {
        Self::of(&std::fs::read_to_string(crate::root().join("ARCHITECTURE.md")).unwrap())
    }

    /// The plan in a text.
    fn of(text: &str) -> Self {
        let is_head = |line: &&str| line.split('|').map(str::trim).take(3).eq(["", "floor", "room"]);
        let rows = text.lines().skip_while(|line| !is_head(line)).skip(2).take_while(|line| line.starts_with('|'));
        let rooms: Vec<_> = rows.map(Room::read).collect();
        assert!(!rooms.is_empty(), "no table of rooms");
        let paragraph = text.split("\n\n").find_map(|paragraph| paragraph.split_once("Unsafe code: "));
        let unsafe_addresses = quoted(paragraph.expect("no paragraph of unsafe code").1);
        Self { rooms, unsafe_addresses }
    }

    /// The places in which unsafe code may be.
    pub fn unsafe_addresses(&self) -> &[String] {
        &self.unsafe_addresses
    }

    /// The room of a file: of all places it is in, the one with the longest path.
    fn room(&self, file: &str) -> &Room {
        let length = |room: &Room| room.places.iter().filter(|place| is_in(file, place)).map(String::len).max();
        let found = self.rooms.iter().filter(|room| length(room).is_some()).max_by_key(|room| length(room));
        found.unwrap_or_else(|| panic!("{file} is in no room of ARCHITECTURE.md"))
    }

    /// The objection to an edge, if the table does not allow it.
    pub fn objection(&self, from: &str, to: &str) -> Option<String> {
        let (own, other) = (self.room(from), self.room(to));
        let is_allowed = std::ptr::eq(own, other) || other.floor < own.floor;
        (!is_allowed).then(|| format!("{from} (floor {}) must not know {to} (floor {})", own.floor, other.floor))
    }
}

impl Room {
    fn read(row: &str) -> Self {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, floor, places, ..] = cells[..] else { panic!("no row of rooms: {row}") };
        let floor = floor.parse().unwrap_or_else(|_| panic!("no floor: {row}"));
        Self { floor, places: quoted(places) }
    }
}

/// True for a file that is the place itself, or below it if the place is a folder.
pub fn is_in(file: &str, place: &str) -> bool {
    file == place || place.ends_with('/') && file.starts_with(place)
}

/// The parts of a text in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn a_file_may_know_its_own_room_and_lower_floors() {
    let plan = Plan::of(
        "Unsafe code: only in `low/raw.rs`.\n\n| floor | room | holds |\n| --- | --- | --- |\n| 0 | `low/` | a |\n\
         | 1 | `mid.rs`, `mid/` | b |\n| 1 | `other/` | c |\n| 2 | `mid/top/` | d |\n",
    );
    assert_eq!(plan.unsafe_addresses(), ["low/raw.rs"]);
    for (from, to) in [("mid.rs", "low/a.rs"), ("mid.rs", "mid/b.rs"), ("mid/top/c.rs", "other/d.rs")] {
        assert_eq!(plan.objection(from, to), None);
    }
    for (from, to) in [("low/a.rs", "mid.rs"), ("mid/b.rs", "other/d.rs"), ("mid/b.rs", "mid/top/c.rs")] {
        assert!(plan.objection(from, to).is_some(), "{from} {to}");
    }
}
