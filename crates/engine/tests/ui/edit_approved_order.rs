use starling_core::{OrderRequest, Qty};
use starling_engine::risk::ApprovedOrder;

fn enlarge(mut order: ApprovedOrder) -> ApprovedOrder {
    order.request.qty = Qty::from_int(1_000_000);
    order
}

fn replace(order: ApprovedOrder, request: OrderRequest) -> ApprovedOrder {
    ApprovedOrder { request, ..order }
}

fn main() {}
