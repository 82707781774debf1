"""What the viewer on a study's page says."""

TEXTS = {
    "viewer.label": "Ảnh X-quang {number}. Phím mũi tên đổi mức và cửa sổ, Shift cùng mũi tên để di chuyển, cộng trừ"
    " để phóng thu, I đảo màu, R đặt lại, H hiện bản đồ nhiệt.",
    "viewer.tools": "Công cụ của ảnh X-quang",
    "viewer.invert": "Đảo màu",
    "viewer.closer": "Phóng to",
    "viewer.farther": "Thu nhỏ",
    "viewer.reset": "Đặt lại",
    "viewer.map": "Bản đồ nhiệt",
    "viewer.map_is": "Bản đồ nhiệt cho thấy nơi mạng phản ứng, phần trong phổi có màu; ở giữa thanh trượt nó đậm như"
    " trong ảnh được gửi.",
    "viewer.keys": "Kéo: cửa sổ và mức; Shift và kéo, hoặc hai ngón tay: di chuyển; bánh xe: phóng thu.",
    "viewer.shown": "Tâm {centre}, rộng {width}, phóng {zoom} %.",
    "viewer.shrunk": "Hiển thị {columns} x {rows} trên {all_columns} x {all_rows} điểm ảnh, mỗi điểm là trung bình"
    " của nhiều điểm.",
    "viewer.failed": "Như khi nhận; không chỉnh được cửa sổ và mức.",
}
