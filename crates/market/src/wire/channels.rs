//! What a venue announced on one connection, where its later frames speak of channels by number.
//!
//! Invariant: a number is in the table at most once, and the table never grows past [`CHANNELS_MAX`]. It is filled by the
//! decoder that reads the announcements, and only once a frame has been read to its end.

use super::error::WireErrorKind;

/// The most channels of one connection; Bitfinex allows 30.
pub const CHANNELS_MAX: usize = 256;

/// What the messages of a channel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Trades.
    Trades,
    /// A book by price.
    Levels,
    /// A book order by order.
    Orders,
    /// What is not decoded to market data.
    Other,
}

#[derive(Debug, Clone)]
struct Channel {
    number: u64,
    kind: Kind,
    symbol: Box<[u8]>,
}

/// The table, and how the connection is configured.
#[derive(Debug, Clone, Default)]
pub(super) struct Channels {
    /// The venue's flags, as it last confirmed them.
    pub(super) flags: u64,
    // Few: looked through from the start, which keeps the busiest subscriptions first made the quickest.
    table: Vec<Channel>,
}

impl Channels {
    /// Enters a channel, or replaces what had its number.
    pub(super) fn announce(&mut self, number: u64, kind: Kind, symbol: &[u8]) -> Result<(), WireErrorKind> {
        let channel = Channel { number, kind, symbol: symbol.into() };
        match self.table.iter().position(|known| known.number == number) {
            Some(at) => self.table[at] = channel,
            None if self.table.len() == CHANNELS_MAX => return Err(WireErrorKind::TooManyChannels),
            None => self.table.push(channel),
        }
        Ok(())
    }

    /// Forgets a channel; one that is not known is no matter.
    pub(super) fn withdraw(&mut self, number: u64) {
        self.table.retain(|known| known.number != number);
    }

    /// What the messages of a channel are.
    pub(super) fn kind(&self, number: u64) -> Result<Kind, WireErrorKind> {
        let known = self.table.iter().find(|known| known.number == number);
        known.map(|known| known.kind).ok_or(WireErrorKind::UnknownChannel(number))
    }

    /// The instrument of the channel with this number, as text.
    pub(super) fn symbol(&self, number: &[u8]) -> Option<&[u8]> {
        let number: u64 = std::str::from_utf8(number).ok()?.parse().ok()?;
        self.table.iter().find(|known| known.number == number).map(|known| &*known.symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_full_at_its_limit() {
        let mut channels = Channels::default();
        for number in 0..CHANNELS_MAX as u64 {
            channels.announce(number, Kind::Trades, b"tBTCUSD").unwrap();
        }
        assert_eq!(channels.announce(999, Kind::Trades, b"tETHUSD"), Err(WireErrorKind::TooManyChannels));
        // Another meaning of a known number is no more room; a channel that goes makes some.
        channels.announce(7, Kind::Orders, b"tLTCUSD").unwrap();
        assert_eq!((channels.kind(7), channels.symbol(b"7")), (Ok(Kind::Orders), Some(&b"tLTCUSD"[..])));
        channels.withdraw(7);
        assert_eq!((channels.kind(7), channels.symbol(b"7")), (Err(WireErrorKind::UnknownChannel(7)), None));
        channels.announce(999, Kind::Trades, b"tETHUSD").unwrap();
    }
}
