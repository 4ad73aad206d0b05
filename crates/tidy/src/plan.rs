//! The table of rooms in ARCHITECTURE.md: `| floor | room | ... |`, rooms as paths in backticks.

/// A place in the tree and its floor.
struct Room {
    floor: u32,
    place: String,
    /// Whether it may hold unsafe code: the row says `unsafe`.
    is_unsafe: bool,
}

/// All rooms.
pub struct Plan(Vec<Room>);

impl Plan {
    /// The plan as it is written.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(crate::root().join("ARCHITECTURE.md")).unwrap();
        let table = text.lines().skip_while(|line| !line.starts_with("| floor | room ")).skip(2);
        let mut rooms = Vec::new();
        for line in table.take_while(|line| line.starts_with('|')) {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let [_, floor, places, holds, ..] = cells[..] else { panic!("no row of rooms: {line}") };
            let floor = floor.parse().unwrap_or_else(|_| panic!("no floor: {line}"));
            let places = places.split('`').skip(1).step_by(2);
            let is_unsafe = holds.contains("(unsafe)");
            rooms.extend(places.map(|place| Room { floor, place: place.to_owned(), is_unsafe }));
        }
        assert!(rooms.len() > 10, "the table of rooms was not found");
        Self(rooms)
    }

    /// Where unsafe code may be.
    pub fn unsafe_addresses(&self) -> Vec<&str> {
        self.0.iter().filter(|room| room.is_unsafe).map(|room| &room.place[..]).collect()
    }

    /// The room of a file: that of the longest name.
    fn room(&self, file: &str) -> &Room {
        let is_in = |room: &&Room| file == room.place || room.place.ends_with('/') && file.starts_with(&room.place);
        let found = self.0.iter().filter(is_in).max_by_key(|room| room.place.len());
        found.unwrap_or_else(|| panic!("{file} is in no room of ARCHITECTURE.md"))
    }

    /// Why a file must not know another, unless it may.
    pub fn objection(&self, from: &str, to: &str) -> Option<String> {
        let (own, other) = (self.room(from), self.room(to));
        let may = own.place == other.place || other.floor < own.floor;
        (!may).then(|| format!("{from} (floor {}) must not know {to} (floor {})", own.floor, other.floor))
    }
}
