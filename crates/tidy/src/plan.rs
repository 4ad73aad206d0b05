//! What ARCHITECTURE.md says of the tree: the table of rooms (`| floor | room | ... |`, rooms as paths in backticks; those of one
//! row are one room) and the paragraph with the addresses of unsafe code.

/// A row of the table.
struct Room {
    floor: u32,
    places: Vec<String>,
}

/// All rooms, and where unsafe code may be.
pub struct Plan {
    rooms: Vec<Room>,
    unsafe_addresses: Vec<String>,
}

impl Plan {
    /// The plan as it is written.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(crate::root().join("ARCHITECTURE.md")).unwrap();
        let is_head = |line: &&str| line.split('|').map(str::trim).take(3).eq(["", "floor", "room"]);
        let rows = text.lines().skip_while(|line| !is_head(line)).skip(2).take_while(|line| line.starts_with('|'));
        let rooms: Vec<_> = rows.map(Room::read).collect();
        assert!(rooms.len() > 10, "the table of rooms was not found");
        let paragraph = text.split("\n\n").find_map(|paragraph| paragraph.split_once("Unsafe code: "));
        let unsafe_addresses = quoted(paragraph.expect("no paragraph of unsafe code").1);
        Self { rooms, unsafe_addresses }
    }

    /// Where unsafe code may be.
    pub fn unsafe_addresses(&self) -> &[String] {
        &self.unsafe_addresses
    }

    /// The room of a file: that of the longest place it is in.
    fn room(&self, file: &str) -> &Room {
        let length = |room: &Room| room.places.iter().filter(|place| is_in(file, place)).map(String::len).max();
        let found = self.rooms.iter().filter(|room| length(room).is_some()).max_by_key(|room| length(room));
        found.unwrap_or_else(|| panic!("{file} is in no room of ARCHITECTURE.md"))
    }

    /// Why a file must not know another, unless it may.
    pub fn objection(&self, from: &str, to: &str) -> Option<String> {
        let (own, other) = (self.room(from), self.room(to));
        let may = std::ptr::eq(own, other) || other.floor < own.floor;
        (!may).then(|| format!("{from} (floor {}) must not know {to} (floor {})", own.floor, other.floor))
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

/// Whether a file is a place, or in a place that is a folder.
fn is_in(file: &str, place: &str) -> bool {
    file == place || place.ends_with('/') && file.starts_with(place)
}

/// What stands in backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
