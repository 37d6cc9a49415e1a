//! What venues send, decoded: from the bytes of one frame to fixed-point updates.
//!
//! Invariants: a decoder is a pure function over bytes that allocates nothing per message once its [`Batch`] has grown;
//! it either decodes a whole frame or reports one `WireError` and leaves the batch empty. Instruments are spoken of
//! as the venue does (a [`Text`] of the frame); which `InstrumentId` that is, the caller knows. A frame that is not
//! JSON is refused, whatever its hot fields say.

mod alpaca;
mod batch;
mod binance;
mod bitfinex;
mod bybit;
mod bybit_2021;
mod channels;
mod coinbase;
mod error;
mod feed;
mod hyperliquid;
pub mod json;
mod kraken;
mod kraken_futures;
mod msgpack;
mod okx;
mod rfc3339;
mod sided;

pub use batch::{Batch, BookOrder, BookUpdate, Coverage, Level, OrderAction, Span, Text, Update};
pub use channels::CHANNELS_MAX;
pub use error::{WireError, WireErrorKind};
pub use feed::{Connection, FEEDS, Feed};
