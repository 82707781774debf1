"""How long things took: the page."""

TEXTS = {
    "turnaround.title": "Thời gian xử lý",
    "turnaround.what": "Thời gian mà một nửa, và 95 %, số lần chờ"
    " không vượt quá trong 24 giờ qua; sai số trong vòng 5 %."
    " Mỗi lần chờ được tính vào giờ mà nó kết thúc.",
    "turnaround.receipt_to_flag_seconds": "Từ ảnh đến kết quả",
    "turnaround.flag_to_read_seconds": "Từ kết quả đến khi đọc",
    "turnaround.receipt_to_confirmed_seconds": "Từ ảnh đến báo cáo được xác nhận",
    "turnaround.target": "mục tiêu của 95 %: {target}",
    "turnaround.median": "một nửa",
    "turnaround.p95": "95 % trong số đó",
    "turnaround.waits.one": "1 lần chờ",
    "turnaround.waits.many": "{count} lần chờ",
    "turnaround.late": "vượt mục tiêu",
    "turnaround.by_source": "Theo nguồn",
    "turnaround.by_hour": "Theo giờ",
    "turnaround.all_sources": "Tất cả các nguồn",
    "turnaround.hour": "Giờ từ",
    "turnaround.none": "Không có lần chờ nào trong 24 giờ qua.",
    "status.turnaround": "Một nửa / 95 % số lần chờ trong 24 giờ",
}
