"""What the reports say."""

TEXTS = {
    "report.series.positive": "AI: NGHI VIÊM PHỔI (sơ bộ)",
    "report.series.negative": "AI: không thấy hình ảnh viêm phổi (sơ bộ)",
    "report.series.indeterminate": "AI: KHÔNG XÁC ĐỊNH (sơ bộ)",
    "report.series.not_analysed": "AI: KHÔNG ĐƯỢC PHÂN TÍCH (sơ bộ)",
    "report.series.text_sr": "{series}",
    "report.series.measurement_sr": "{series}, số đo",
    "report.series.secondary_capture": "{series}, hình",
    "report.disclaimer": "Không phải thiết bị y tế; chỉ dùng cho nghiên cứu. Không dùng để chẩn đoán.",
    # The result
    "report.result": "Kết quả AI (không phải báo cáo của bác sĩ chẩn đoán hình ảnh): {sentence}",
    "report.positive": "NGHI VIÊM PHỔI, xác suất {probability}",
    "report.negative": "AI không thấy hình ảnh viêm phổi; các bất thường khác KHÔNG được đánh giá",
    "report.indeterminate": "KHÔNG XÁC ĐỊNH: xác suất viêm phổi {probability} nằm giữa {lower} (thấp hơn: không có hình"
    " ảnh viêm phổi) và {upper} (từ mức này: nghi viêm phổi)",
    "report.not_analysed": "KHÔNG ĐƯỢC PHÂN TÍCH: {reason}",
    "report.probabilities": "Xác suất: {shares}.",
    "report.share": "{finding} {probability}",
    "report.prevalence": "Tỷ lệ viêm phổi giả định: {prevalence} số ảnh.",
    "report.type": "Loại: hình ảnh {finding}.",
    "report.type_undetermined": "Loại: không xác định.",
    "report.note": "Lưu ý: {note}",
    "report.malformed": "Lưu ý: sai định dạng trong ảnh gốc và được để trống ở đây: {attributes}",
    "report.after_reading": "Lưu ý: được lập sau khi lượt chụp đã được đánh dấu là đã đọc.",
    # What it takes the place of
    "report.supersedes": "Thay thế {earlier}: {reason}.",
    "report.earlier": "một báo cáo AI trước đó",
    "report.earlier_of": "báo cáo AI lúc {moment}",
    # Conclusions
    "report.priority": "Mức ưu tiên đọc được đề nghị: {priority}. Kết quả AI sơ bộ; cần kiểm tra lại.",
    "report.priority_because": "Mức ưu tiên đọc được đề nghị: {priority} ({source}). Kết quả AI sơ bộ; cần kiểm tra"
    " lại.",
    "report.priority_routine": "{priority}, không thay đổi; kết quả AI không bao giờ hạ mức ưu tiên",
    "report.population": "Đã kiểm định trên: {population}",
    "report.operating_point": "Mô hình {model} {version}, điểm vận hành {name}: nghi viêm phổi từ {upper}, không có"
    " hình ảnh viêm phổi dưới {lower}, ở giữa là không xác định; tỷ lệ hiện mắc giả định {prevalence}.",
    "report.limits": "Giới hạn: {limits}",
    "report.limits_unknown": "Thẻ mô tả của mô hình, nơi ghi những gì mô hình không được tạo ra để làm, không có"
    " sẵn hoặc không ghi điều đó.",
    # The picture
    "picture.line": "AI: {result}  |  KHÔNG DÙNG ĐỂ CHẨN ĐOÁN  |  {model}",
    "picture.probability": "{probability} (tỷ lệ hiện mắc {prevalence})",
    "picture.positive": "NGHI VIÊM PHỔI {probability}",
    "picture.negative": "Không thấy hình ảnh viêm phổi; bất thường khác KHÔNG được đánh giá",
    "picture.indeterminate": "KHÔNG XÁC ĐỊNH {probability}",
    "picture.map": "vùng kích hoạt\ncủa viêm phổi",
    "picture.scale": "thang cố định,\nkhông kéo giãn\n\nđường viền:\ntừ {least}, trong\ntrường phổi\n\n"
    "xám: ở ngoài,\nkhông phải\ndấu hiệu",
    "picture.withheld.no_lung_field": "KHÔNG HIỂN THỊ BẢN ĐỒ NHIỆT: không tìm thấy trường phổi trong ảnh",
    "picture.withheld.off_lungs": "KHÔNG HIỂN THỊ BẢN ĐỒ NHIỆT: phần lớn vùng kích hoạt nằm ngoài trường phổi",
}
