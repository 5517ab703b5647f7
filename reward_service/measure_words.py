"""Chinese measure words of things that can be counted in a picture."""

MEASURE_WORDS = (
    "個个箇隻只顆颗粒朵條条張张輛辆台臺架艘頭头匹棵株枝支根把本冊册件片塊块串束杯瓶罐盤盘碗盒包袋"
    "箱座棟栋間间扇面幅枚位名人尾具盞盏頂顶套節节瓣份副床頁页封籃篮桶捲卷棒坨堆口羽尊幢柄"
    "部門门款滴碟壺壶籠笼筐管截"
)
