use starling_core::{AccountId, ClientOrderId, InstrumentId, OrderRequest, Qty, Side, StrategyId, UnixNanos};
use starling_engine::risk::ApprovedOrder;

fn replace(order: ApprovedOrder, request: OrderRequest) -> ApprovedOrder {
    ApprovedOrder { request, ..order }
}

fn main() {
    let _ = ApprovedOrder {
        id: ClientOrderId::new(StrategyId(1), 1),
        account: AccountId(0),
        request: OrderRequest::market(InstrumentId(0), Side::Buy, Qty::ONE),
        approved_at: UnixNanos::EPOCH,
    };
}
