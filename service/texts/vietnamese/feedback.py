"""What is said of people's opinions of the AI's results."""

TEXTS = {
    "command.feedback_kept": "đã lưu; `auscult show` liệt kê các ý kiến về ca chụp",
    "command.no_result": "{uid} không phải là ảnh có kết quả AI còn hiệu lực; `auscult show` liệt kê các ảnh của"
    " một ca chụp",
    "command.which_image": "ca chụp có nhiều ảnh có kết quả; hãy nêu một ảnh: {uids}",
    "export.feedback": "{count} ảnh; hãy xem các ảnh trước khi giao cho người khác: những gì ghi lên điểm ảnh không bị"
    " xóa",
    "export.left_out": "bỏ qua: {count}, {why}",
    "export.folder": "{folder} đã có nội dung; hãy nêu một thư mục trống hoặc chưa có",
    "agreement.link": "Mức đồng ý",
    "agreement.title": "Mức đồng ý với AI",
    "agreement.what": "Với mỗi người và mỗi kết quả chỉ tính ý kiến mới nhất; ai không đánh giá được thì không"
    " tính vào tỷ lệ. Khoảng tin cậy 95 % (Wilson). Mọi người tự chọn kết quả để cho ý kiến, nên"
    " đây không phải là thước đo độ chính xác.",
    "agreement.none": "chưa ai cho ý kiến về kết quả AI nào; hãy dùng `auscult feedback give`",
    "agreement.all": "tất cả",
    "agreement.no_name": "không nêu",
    "agreement.group": "nhóm",
    "agreement.share": "tỷ lệ đồng ý",
    "agreement.interval": "khoảng tin cậy 95 %",
}
