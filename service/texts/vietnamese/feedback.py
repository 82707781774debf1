"""What is said of people's opinions of the AI's results."""

TEXTS = {
    "command.feedback_kept": "đã lưu; `auscult show` liệt kê các ý kiến về ca chụp",
    "command.no_result": "{uid} không phải là ảnh có kết quả AI còn hiệu lực; `auscult show` liệt kê các ảnh của"
    " một ca chụp",
    "command.which_image": "ca chụp có nhiều ảnh có kết quả; hãy nêu một ảnh: {uids}",
    "agreement.none": "chưa ai cho ý kiến về kết quả AI nào; hãy dùng `auscult feedback give`",
    "agreement.all": "tất cả",
    "agreement.no_name": "không nêu",
    "agreement.group": "nhóm",
    "agreement.share": "tỷ lệ đồng ý",
    "agreement.interval": "khoảng tin cậy 95 %",
}
