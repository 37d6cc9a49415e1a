use starling_engine::risk::{ApprovedModify, ApprovedOrder};

fn main() {
    let _ = postcard::from_bytes::<ApprovedOrder>(&[0; 64]);
    let _ = serde_json::from_str::<ApprovedModify>("{}");
    let _ = <ApprovedOrder as Default>::default();
}
